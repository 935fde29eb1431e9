"""The vision tower of Qwen-VL (OpenCLIP's ViT-bigG) and its resampler in plain PyTorch, under the official names.

The architecture follows the official ``visual.py`` (Qwen/Qwen-VL-Chat). There is no class token.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug.parts.resampler import Resampler, ResamplerSizes
from vlmplug.parts.sincos import sincos_positions
from vlmplug.parts.vit import normalised

_EPS = 1e-6


def resized_positions(table: Tensor, side: int) -> Tensor:
    """Positions of a square grid, stretched to ``side`` by ``side``: [n, width] -> [side², width].

    Bicubic in float32, as officially.
    """
    own = isqrt(len(table))
    if own == side:
        return table
    grid = table.float().unflatten(0, (own, own)).permute(2, 0, 1)[None]
    stretched = F.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
    return stretched[0].flatten(1).T.to(table.dtype)


class Attention(nn.Module):
    """Full self-attention over one picture; ``in_proj`` holds query, key and value of the first head, then of the
    second, and so on."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        by_head = self.in_proj(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(*by_head.chunk(3, -1))
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


class MLP(nn.Module):
    """Linear, GELU (erf), linear."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, inner)
        self.c_proj = nn.Linear(inner, width)

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.c_proj(F.gelu(self.c_fc(hidden)))
        return out


class Block(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, vision: Mapping[str, Any]) -> None:
        super().__init__()
        width = vision["width"]
        self.ln_1, self.ln_2 = (nn.LayerNorm(width, _EPS) for _ in range(2))
        self.attn = Attention(width, vision["heads"])
        self.mlp = MLP(width, int(width * vision["mlp_ratio"]))

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self.attn(self.ln_1(hidden))
        out: Tensor = hidden + self.mlp(self.ln_2(hidden))
        return out


class Transformer(nn.Module):
    """All layers, one after the other."""

    def __init__(self, vision: Mapping[str, Any]) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(vision) for _ in range(vision["layers"]))

    def forward(self, hidden: Tensor) -> Tensor:
        for block in self.resblocks:
            hidden = block(hidden)
        return hidden


class PositionedResampler(Resampler):
    """Queries on a grid of their own, whose positions are stretched to the grid of the patches."""

    def __init__(self, sizes: ResamplerSizes) -> None:
        super().__init__(sizes)
        self.pos_embed = nn.Parameter(torch.zeros(sizes.queries, sizes.hidden), requires_grad=False)

    def forward(self, patches: Tensor) -> Tensor:
        """[n, patches, width] -> [n, queries, hidden]."""
        keys = resized_positions(self.pos_embed, isqrt(patches.shape[1]))
        return self.attend(patches, keys, self.pos_embed)


class QwenVLTower(nn.Module):
    """The whole way from pictures to what the language model reads in place of word embeddings.

    :param config: ``visual`` of the official ``config.json``, with ``queries``, a square number, and
        ``resampler_heads``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, hidden, patch = config["width"], config["output_dim"], config["patch_size"]
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.positional_embedding = nn.Parameter(torch.zeros(config["queries"], width))
        self.ln_pre = nn.LayerNorm(width, _EPS)
        self.transformer = Transformer(config)
        sizes = ResamplerSizes(config["queries"], width, hidden, config["resampler_heads"], _EPS)
        self.attn_pool = PositionedResampler(sizes)
        self.ln_post = nn.LayerNorm(hidden, _EPS)
        self.proj = nn.Parameter(torch.zeros(hidden, hidden))

    def computed_weights(self) -> dict[str, Tensor]:
        """The resampler's positions, which are never trained; files may lack them."""
        queries, hidden = self.attn_pool.pos_embed.shape
        side = isqrt(queries)
        return {"attn_pool.pos_embed": sincos_positions(side, side, hidden)}

    def normalise(self, pictures: Tensor) -> Tensor:
        """uint8 [n, S, S, 3] -> [n, 3, S, S] in the dtype of the weights; computed in float32 as officially."""
        return normalised(pictures, CLIP_MEAN, CLIP_STD, self.proj.dtype)

    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 [n, S, S, 3] -> [n, queries, hidden size of the language model]."""
        patches = self.conv1(self.normalise(pictures))
        positions = resized_positions(self.positional_embedding, patches.shape[-1])
        hidden = self.transformer(self.ln_pre(patches.flatten(2).transpose(1, 2) + positions))
        out: Tensor = self.ln_post(self.attn_pool(hidden)) @ self.proj
        return out


def build_tower(config: Mapping[str, Any]) -> QwenVLTower:
    """The tower of an official ``config.json`` (`vlmplug_qwen_vl.config.tower_config`); weights are loaded later."""
    return QwenVLTower(config)
