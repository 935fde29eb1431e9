"""The vision tower of GLM-4V (EVA2-CLIP-E) and its projector in plain PyTorch, under the official parameter names.

The architecture follows the official ``visual.py`` (THUDM/glm-4v-9b). Norms stand behind their branches, not in front.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug.parts.vit import MLP, BlockShape, attend, normalised


class PatchEmbedding(nn.Module):
    """Patches row by row behind a class token, and learned positions: pixels [n, 3, S, S] -> [n, 1 + patches, hidden].

    The positions are never interpolated: every picture has the trained size.
    """

    def __init__(self, vision: Mapping[str, Any]) -> None:
        super().__init__()
        hidden, patch = vision["hidden_size"], vision["patch_size"]
        self.proj = nn.Conv2d(vision["in_channels"], hidden, patch, patch)
        self.cls_embedding = nn.Parameter(torch.zeros(1, hidden))
        self.position_embedding = nn.Embedding(vision["num_positions"], hidden)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.proj(pixels).flatten(2).transpose(1, 2)
        first = self.cls_embedding.expand(len(patches), 1, -1)
        hidden: Tensor = torch.cat([first, patches], 1) + self.position_embedding.weight
        return hidden


class Attention(nn.Module):
    """Full self-attention over one picture; one matrix holds query, key and value, one behind the other."""

    def __init__(self, vision: Mapping[str, Any]) -> None:
        super().__init__()
        hidden = vision["hidden_size"]
        self.heads = vision["num_heads"]
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.dense = nn.Linear(hidden, hidden)

    def forward(self, hidden: Tensor) -> Tensor:
        query, key, value = self.query_key_value(hidden).chunk(3, -1)
        out: Tensor = self.dense(attend(query, key, value, self.heads))
        return out


class Layer(nn.Module):
    """Post-norm transformer layer: each branch's output is normalised and then added."""

    def __init__(self, vision: Mapping[str, Any]) -> None:
        super().__init__()
        hidden, eps = vision["hidden_size"], vision["layer_norm_eps"]
        mlp = BlockShape(hidden, vision["intermediate_size"], vision["num_heads"])
        self.attention, self.mlp = Attention(vision), MLP(mlp)
        self.input_layernorm = nn.LayerNorm(hidden, eps)
        self.post_attention_layernorm = nn.LayerNorm(hidden, eps)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self.input_layernorm(self.attention(hidden))
        out: Tensor = hidden + self.post_attention_layernorm(self.mlp(hidden))
        return out


class Transformer(nn.Module):
    """The layers; no norm follows the last one."""

    def __init__(self, vision: Mapping[str, Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(vision) for _ in range(vision["num_hidden_layers"]))

    def forward(self, hidden: Tensor) -> Tensor:
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


class GLU(nn.Module):
    """The projector: a linear layer with norm and GELU, then a gated MLP; all linear layers without biases."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.linear_proj = nn.Linear(width, width, bias=False)
        self.norm1 = nn.LayerNorm(width)
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.dense_h_to_4h = nn.Linear(width, inner, bias=False)
        self.dense_4h_to_h = nn.Linear(inner, width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = F.gelu(self.norm1(self.linear_proj(hidden)))
        out: Tensor = self.dense_4h_to_h(F.silu(self.gate_proj(hidden)) * self.dense_h_to_4h(hidden))
        return out


class GLM4VTower(nn.Module):
    """The whole way from pictures to what the language model reads in place of word embeddings."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        vision, width = config["vision_config"], config["hidden_size"]
        self.scaling_factor = float(vision["scaling_factor"])
        self.patch_embedding = PatchEmbedding(vision)
        self.transformer = Transformer(vision)
        self.conv = nn.Conv2d(vision["hidden_size"], width, 2, 2)
        self.linear_proj = GLU(width, config["ffn_hidden_size"])
        self.boi = nn.Parameter(torch.zeros(1, 1, width))
        self.eoi = nn.Parameter(torch.zeros(1, 1, width))

    def normalise(self, pictures: Tensor) -> Tensor:
        """uint8 [n, S, S, 3] -> [n, 3, S, S] in the dtype of the weights; computed in float32 as officially."""
        return normalised(pictures, CLIP_MEAN, CLIP_STD, self.boi.dtype)

    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 [n, S, S, 3] -> [n, 2 + (S / patch / 2)², hidden size of the language model].

        The first and the last row are the learned begin and end vectors; they are scaled like all others.
        """
        patches = self.transformer(self.patch_embedding(self.normalise(pictures)))[:, 1:]
        side = pictures.shape[1] // self.patch_embedding.proj.kernel_size[0]
        grid = patches.transpose(1, 2).unflatten(2, (side, side))
        tokens = self.linear_proj(self.conv(grid).flatten(2).transpose(1, 2))
        begin, end = (vector.expand(len(tokens), -1, -1) for vector in (self.boi, self.eoi))
        return torch.cat([begin, tokens, end], 1) / self.scaling_factor


def build_tower(config: Mapping[str, Any]) -> GLM4VTower:
    """The tower of an official ``config.json`` (`vlmplug_glm4v.config.tower_config`); weights are loaded afterwards."""
    return GLM4VTower(config)
