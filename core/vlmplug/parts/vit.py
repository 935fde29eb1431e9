"""Blocks of vision transformers in plain PyTorch: patches, attention, MLP, and the pre-norm layer that they make up.

One shape covers SigLIP and CLIP (transformers' names: separate projections), timm's encoders (fused ``qkv``) and
InternViT-300M (fused, with a learned scale on each branch). Modules have the names of timm; a family's weight route
renames those of others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: ``fused``: one matrix ``qkv``, and ``proj``. ``separate``: ``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj``.
Projections = Literal["fused", "separate"]
Function: TypeAlias = "Callable[[Tensor], Tensor]"


def quick_gelu(hidden: Tensor) -> Tensor:
    """The sigmoid approximation of GELU that OpenAI's CLIP was trained with."""
    return hidden * torch.sigmoid(1.702 * hidden)


#: By the names that ``hidden_act`` of transformers has; ``gelu`` is the exact one (erf).
ACTIVATIONS: Mapping[str, Function] = {
    "gelu": F.gelu,
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "quick_gelu": quick_gelu,
}


@dataclass(frozen=True)
class BlockShape:
    """One pre-norm layer.

    - ``width``: of the residual stream; ``inner``: of the MLP. ``eps``: of both layer norms.
    - ``activation``: a key of `ACTIVATIONS`. ``qkv_bias``: whether the projections in front of attention have one.
    - ``layer_scale``: whether each residual branch has a learned scale (``ls1``, ``ls2``).
    """

    width: int
    inner: int
    heads: int
    eps: float = 1e-6
    activation: str = "gelu"
    projections: Projections = "fused"
    qkv_bias: bool = True
    layer_scale: bool = False


class PatchEmbedding(nn.Module):
    """Patches that do not overlap: pixels [n, 3, height, width] -> grid [n, rows, columns, width]."""

    def __init__(self, patch: int, width: int, bias: bool = True) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch, bias=bias)

    def forward(self, pixels: Tensor) -> Tensor:
        grid: Tensor = self.proj(pixels)
        return grid.permute(0, 2, 3, 1)


class FusedAttention(nn.Module):
    """Self-attention with one matrix for queries, keys and values: [n, tokens, width] -> the same."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=shape.qkv_bias)
        self.proj = nn.Linear(shape.width, shape.width)

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        query, key, value = self.qkv(hidden).chunk(3, -1)
        out: Tensor = self.proj(attend(query, key, value, self.heads, mask))
        return out


class SeparateAttention(nn.Module):
    """Self-attention with a matrix each for queries, keys and values: [n, tokens, width] -> the same."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj = nn.Linear(shape.width, shape.width, bias=shape.qkv_bias)
        self.k_proj = nn.Linear(shape.width, shape.width, bias=shape.qkv_bias)
        self.v_proj = nn.Linear(shape.width, shape.width, bias=shape.qkv_bias)
        self.out_proj = nn.Linear(shape.width, shape.width)

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        mixed = attend(self.q_proj(hidden), self.k_proj(hidden), self.v_proj(hidden), self.heads, mask)
        out: Tensor = self.out_proj(mixed)
        return out


class MLP(nn.Module):
    """Linear, activation, linear."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.fc1 = nn.Linear(shape.width, shape.inner)
        self.fc2 = nn.Linear(shape.inner, shape.width)
        self.activation = ACTIVATIONS[shape.activation]

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.activation(self.fc1(hidden)))
        return out


class Block(nn.Module):
    """Pre-norm transformer layer: [n, tokens, width] -> the same.

    ``mask``, where padded batches need one: bool (true: attended to) or float (added), broadcast to
    [n, heads, tokens, tokens].
    """

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, shape.eps)
        self.attn = FusedAttention(shape) if shape.projections == "fused" else SeparateAttention(shape)
        self.norm2 = nn.LayerNorm(shape.width, shape.eps)
        self.mlp = MLP(shape)
        self.ls1 = nn.Parameter(torch.ones(shape.width)) if shape.layer_scale else None
        self.ls2 = nn.Parameter(torch.ones(shape.width)) if shape.layer_scale else None

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = hidden + _scaled(self.attn(self.norm1(hidden), mask), self.ls1)
        return hidden + _scaled(self.mlp(self.norm2(hidden)), self.ls2)


def blocks(shape: BlockShape, count: int) -> nn.ModuleList:
    """So many layers of one shape."""
    return nn.ModuleList(Block(shape) for _ in range(count))


def normalised(pictures: Tensor, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype) -> Tensor:
    """uint8 [n, height, width, 3] -> [n, 3, height, width]; computed in float32, as official processors do.

    :param mean: subtracted after scaling to 0..1, RGB. ``std``: divided by then.
    """
    means, stds = (torch.tensor(values, device=pictures.device) for values in (mean, std))
    return ((pictures.float() / 255 - means) / stds).permute(0, 3, 1, 2).to(dtype).contiguous()


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention of every token to every token; all [n, tokens, width].

    :param mask: as for `Block`.
    """
    query, key, value = (tensor.unflatten(-1, (heads, -1)).transpose(1, 2) for tensor in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)


def _scaled(branch: Tensor, scale: Tensor | None) -> Tensor:
    return branch if scale is None else branch * scale
