"""A vision transformer that takes pictures of any shape, as NaViT introduced it, with SigLIP's layers.

Pictures of one call have the same size, so nothing is padded and nothing is masked: what comes out of a picture does
not depend on its neighbours. Learned positions are those of the trained grid: each patch takes the one at its place in
it. Parameter names are those of the official checkpoints (Idefics2 and SigLIP in transformers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor, nn

from vlmplug.parts.vit import MLP, BlockShape, SeparateAttention

#: Rows and columns of patches, and the side of the trained grid -> int64 [rows * columns], on the CPU.
PositionRule: TypeAlias = "Callable[[int, int, int], Tensor]"


def nearest_positions(count: int, side: int) -> Tensor:
    """The trained position of each of ``count`` places along an axis that was trained with ``side``: int64 [count].

    The floor of ``place * side / count`` but for rounding, which is the official one (``torch.bucketize`` over
    ``torch.arange`` with a float32 step): other ways to compute it differ in some places.
    """
    cpu = torch.device("cpu")  # whatever the default: other devices round otherwise
    step = float(torch.tensor(1.0, device=cpu) / count)
    borders = torch.arange(1 / side, 1.0, 1 / side, device=cpu)
    return torch.bucketize(torch.arange(0, 1 - 1e-6, step, device=cpu), borders, right=True)


@lru_cache(maxsize=256)
def grid_positions(rows: int, columns: int, side: int) -> Tensor:
    """Rows and columns each for themselves."""
    return (nearest_positions(rows, side)[:, None] * side + nearest_positions(columns, side)).flatten()


@lru_cache(maxsize=256)
def flat_positions(rows: int, columns: int, side: int) -> Tensor:
    """All patches as if they were one row: only the first row of the trained grid is ever used.

    Idefics2's transformer does so where it gets patches without their shape, as in MiniCPM-V 2.5.
    """
    return nearest_positions(rows * columns, side)


@dataclass(frozen=True)
class NavitSizes:
    """Numbers of a transformer.

    - ``side``: of the trained grid, in patches. ``layers``: those that are there.
    """

    width: int
    inner: int
    layers: int
    heads: int
    patch: int
    side: int
    channels: int = 3
    eps: float = 1e-6

    @property
    def block(self) -> BlockShape:
        """One layer; GELU by tanh, as in SigLIP of transformers."""
        return BlockShape(self.width, self.inner, self.heads, self.eps, "gelu_pytorch_tanh", "separate")


class NavitEmbeddings(nn.Module):
    """Patches and their positions: pixels [n, 3, H, W] -> [n, patches, width], row by row."""

    def __init__(self, sizes: NavitSizes, rule: PositionRule) -> None:
        super().__init__()
        self._rule, self._side = rule, sizes.side
        self.patch_embedding = nn.Conv2d(sizes.channels, sizes.width, sizes.patch, sizes.patch)
        self.position_embedding = nn.Embedding(sizes.side**2, sizes.width)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels)
        rows, columns = patches.shape[-2:]
        positions = self._rule(rows, columns, self._side).to(patches.device, non_blocking=True)
        out: Tensor = patches.flatten(2).transpose(1, 2) + self.position_embedding(positions)
        return out


class NavitLayer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, sizes: NavitSizes) -> None:
        super().__init__()
        self.layer_norm1, self.layer_norm2 = (nn.LayerNorm(sizes.width, sizes.eps) for _ in range(2))
        self.self_attn, self.mlp = SeparateAttention(sizes.block), MLP(sizes.block)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self.self_attn(self.layer_norm1(hidden))
        out: Tensor = hidden + self.mlp(self.layer_norm2(hidden))
        return out


class NavitEncoder(nn.Module):
    """All layers, one after the other."""

    def __init__(self, sizes: NavitSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(NavitLayer(sizes) for _ in range(sizes.layers))

    def forward(self, hidden: Tensor) -> Tensor:
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


class NavitTransformer(nn.Module):
    """Pixels [n, 3, H, W], normalised, of any size -> [n, patches, width], patches row by row, behind a last norm.

    :param rule: `grid_positions` or `flat_positions`.
    """

    def __init__(self, sizes: NavitSizes, rule: PositionRule) -> None:
        super().__init__()
        self.embeddings = NavitEmbeddings(sizes, rule)
        self.encoder = NavitEncoder(sizes)
        self.post_layernorm = nn.LayerNorm(sizes.width, sizes.eps)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden: Tensor = self.post_layernorm(self.encoder(self.embeddings(pixels)))
        return hidden
