"""InternViT and its projector in plain PyTorch, under the official parameter names.

The architecture follows the official ``modeling_intern_vit.py`` and ``modeling_internvl_chat.py`` (OpenGVLab/InternVL):
both vision towers (300M: layer norm, biased qkv; 6B: RMS norm, normalised q and k), pixel shuffle and ``mlp1``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlmplug.parts.vit import MLP, BlockShape, attend, normalised
from vlmplug_internvl2.normalisation import PIXEL_MEAN, PIXEL_STD


class RMSNorm(nn.Module):
    """Root mean square norm over the last dimension, statistics in float32."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, hidden: Tensor) -> Tensor:
        wide = hidden.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(hidden.dtype)


def norm_layer(vision: Mapping[str, Any]) -> nn.Module:
    """The norm that ``norm_type`` names: ``rms_norm`` or ``layer_norm``."""
    kind = RMSNorm if vision["norm_type"] == "rms_norm" else nn.LayerNorm
    return kind(vision["hidden_size"], vision["layer_norm_eps"])


class Embeddings(nn.Module):
    """Patches, a class token and learned positions: pixels [n, 3, H, W] -> [n, 1 + patches, hidden]."""

    def __init__(self, vision: Mapping[str, Any]) -> None:
        super().__init__()
        hidden, patch = vision["hidden_size"], vision["patch_size"]
        self.side = vision["image_size"] // patch
        self.patch_embedding = nn.Conv2d(vision["num_channels"], hidden, patch, patch)
        self.class_embedding = nn.Parameter(torch.zeros(1, 1, hidden))
        self.position_embedding = nn.Parameter(torch.zeros(1, self.side**2 + 1, hidden))

    def positions(self, rows: int, columns: int) -> Tensor:
        """Learned positions, interpolated (float32, bicubic) where the grid is not the trained one."""
        if (rows, columns) == (self.side, self.side):
            return self.position_embedding
        first, patches = self.position_embedding[:, :1], self.position_embedding[:, 1:]
        grid = patches.float().reshape(1, self.side, self.side, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (rows, columns), mode="bicubic", align_corners=False)
        return torch.cat([first, grid.flatten(2).transpose(1, 2).to(first.dtype)], 1)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels)
        positions = self.positions(*patches.shape[-2:])
        patches = patches.flatten(2).transpose(1, 2)
        return torch.cat([self.class_embedding.expand(len(patches), -1, -1), patches], 1) + positions


class Attention(nn.Module):
    """Full self-attention over one tile; q and k are normalised over the whole width where the config asks."""

    def __init__(self, vision: Mapping[str, Any]) -> None:
        super().__init__()
        hidden, eps = vision["hidden_size"], vision["layer_norm_eps"]
        self.heads = vision["num_attention_heads"]
        self.qkv = nn.Linear(hidden, 3 * hidden, bias=vision["qkv_bias"])
        self.proj = nn.Linear(hidden, hidden)
        normalised = vision["qk_normalization"]
        self.q_norm = RMSNorm(hidden, eps) if normalised else nn.Identity()
        self.k_norm = RMSNorm(hidden, eps) if normalised else nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        query, key, value = self.qkv(hidden).chunk(3, -1)
        out: Tensor = self.proj(attend(self.q_norm(query), self.k_norm(key), value, self.heads))
        return out


class Layer(nn.Module):
    """Pre-norm transformer layer with a learned scale on each residual branch."""

    def __init__(self, vision: Mapping[str, Any]) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = (
            norm_layer(vision),
            Attention(vision),
            norm_layer(vision),
            MLP(BlockShape(vision["hidden_size"], vision["intermediate_size"], vision["num_attention_heads"])),
        )
        scale = vision.get("initializer_factor", 1.0)
        self.ls1 = nn.Parameter(torch.full((vision["hidden_size"],), float(scale)))
        self.ls2 = nn.Parameter(torch.full((vision["hidden_size"],), float(scale)))

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self.attn(self.norm1(hidden)) * self.ls1
        out: Tensor = hidden + self.mlp(self.norm2(hidden)) * self.ls2
        return out


class Encoder(nn.Module):
    """The layers that ``select_layer`` keeps (-1: all; no norm follows the last one)."""

    def __init__(self, vision: Mapping[str, Any], select_layer: int) -> None:
        super().__init__()
        count = vision["num_hidden_layers"]
        self.layers = nn.ModuleList(Layer(vision) for _ in range(count))
        self.used = count + 1 + select_layer if select_layer < 0 else select_layer

    def forward(self, hidden: Tensor) -> Tensor:
        for layer in self.layers[: self.used]:
            hidden = layer(hidden)
        return hidden


class InternViT(nn.Module):
    """pixels [n, 3, H, W] -> [n, 1 + patches, hidden]."""

    def __init__(self, vision: Mapping[str, Any], select_layer: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(vision)
        self.encoder = Encoder(vision, select_layer)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden: Tensor = self.encoder(self.embeddings(pixels))
        return hidden


def pixel_shuffle(grid: Tensor, factor: int, version: str) -> Tensor:
    """Folds blocks of ``factor`` x ``factor`` patches into one token.

    :param grid: [n, rows, columns, hidden].
    :param version: ``ps_version`` of the checkpoint; ``v1`` leaves the grid transposed, as the official code does.
    :return: [n, tokens, factor² · hidden], tokens row by row; inside a token the block's patches row by row.
    """
    n, rows, columns, hidden = grid.shape
    blocks = grid.view(n, rows // factor, factor, columns // factor, factor, hidden).transpose(2, 3)
    if version == "v1":
        blocks = blocks.transpose(1, 2)
    return blocks.reshape(n, -1, factor * factor * hidden)


class InternVLTower(nn.Module):
    """The whole way from tiles to what the language model reads in place of word embeddings."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        vision, out_size = config["vision_config"], config["llm_config"]["hidden_size"]
        self.factor = int(1 / config.get("downsample_ratio", 0.5))
        self.version = config.get("ps_version", "v1")
        self.vision_model = InternViT(vision, config.get("select_layer", -1))
        width = vision["hidden_size"] * self.factor**2
        self.mlp1 = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, out_size), nn.GELU(), nn.Linear(out_size, out_size)
        )

    @property
    def dtype(self) -> torch.dtype:
        """Of all weights."""
        return self.vision_model.embeddings.class_embedding.dtype

    def normalise(self, tiles: Tensor) -> Tensor:
        """uint8 [n, H, W, 3] -> [n, 3, H, W] in the dtype of the weights; computed in float32 as officially."""
        return normalised(tiles, PIXEL_MEAN, PIXEL_STD, self.dtype)

    def forward(self, tiles: Tensor) -> Tensor:
        """uint8 [n, H, W, 3] -> [n, tokens per tile, hidden size of the language model]."""
        patches = self.vision_model(self.normalise(tiles))[:, 1:]
        rows = tiles.shape[1] // self.vision_model.embeddings.patch_embedding.kernel_size[0]
        grid = patches.unflatten(1, (rows, -1))
        out: Tensor = self.mlp1(pixel_shuffle(grid, self.factor, self.version))
        return out


def build_tower(config: Mapping[str, Any]) -> InternVLTower:
    """The tower of an official ``config.json``, with uninitialised meaning: weights are loaded afterwards."""
    return InternVLTower(config)
