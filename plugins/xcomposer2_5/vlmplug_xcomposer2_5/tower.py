"""The vision tower and the projector in plain PyTorch.

They follow ``build_mlp.py`` of InternLM-XComposer2.5: CLIP ViT-L/14 whose stored positions are those of 560 pixels; the
last layer's output in front of its norm, without the class token. A picture is seen as a whole, scaled to one tile,
and tile by tile. Four neighbouring patches make one token, each row of tokens ends in a newline vector, and another
vector stands between the whole and the tiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug.parts.vit import BlockShape, PatchEmbedding, blocks
from vlmplug_xcomposer2_5.sizes import HEAD, MERGED, TILE, TowerSizes

_EPS = 1e-5


class XComposerTower(nn.Module):
    """The whole way from a prepared picture to what the language model reads in place of word embeddings."""

    def __init__(self, sizes: TowerSizes) -> None:
        super().__init__()
        self._tokens = sizes.side // MERGED
        self.patch_embed = PatchEmbedding(sizes.patch, sizes.width, bias=False)
        self.cls_token = nn.Parameter(torch.zeros(sizes.width))
        self.pos_embed = nn.Parameter(torch.zeros(sizes.side**2 + 1, sizes.width))
        self.norm_pre = nn.LayerNorm(sizes.width, _EPS)
        shape = BlockShape(
            sizes.width, sizes.inner, sizes.width // HEAD, _EPS, activation="quick_gelu", projections="separate"
        )
        self.blocks = blocks(shape, sizes.layers)
        self.plora_glb_GN = nn.Parameter(torch.zeros(1, 1, sizes.merged))
        self.plora_sub_GN = nn.Parameter(torch.zeros(1, 1, 1, sizes.merged))
        self.vision_proj = nn.Sequential(
            nn.Linear(sizes.merged, sizes.projected), nn.GELU(), nn.Linear(sizes.projected, sizes.hidden)
        )

    def views(self, picture: Tensor) -> Tensor:
        """uint8 [height, width, 3], sides whole tiles -> the picture as one tile and its tiles row by row,
        [1 + rows * columns, side, side, 3], normalised, in the dtype of the weights.

        The whole is scaled in float32 without antialiasing, as officially, and may go beyond the values of pixels.
        """
        mean, std = (torch.tensor(values, device=picture.device) for values in (CLIP_MEAN, CLIP_STD))
        pixels = (picture.float() / 255 - mean) / std
        rows, columns = (side // TILE for side in picture.shape[:2])
        tiles = pixels.reshape(rows, TILE, columns, TILE, 3).transpose(1, 2).reshape(-1, TILE, TILE, 3)
        whole = F.interpolate(pixels.permute(2, 0, 1)[None], (TILE, TILE), mode="bicubic", align_corners=False)
        return torch.cat([whole.permute(0, 2, 3, 1), tiles]).to(self.pos_embed.dtype)

    def forward(self, views: Tensor) -> Tensor:
        """[n, side, side, 3] of `views` -> [n, tokens, 4 * width], row by row."""
        patches = self.patch_embed(views.permute(0, 3, 1, 2)).flatten(1, 2)
        hidden = torch.cat([self.cls_token.expand(len(views), 1, -1), patches], 1) + self.pos_embed
        hidden = self.norm_pre(hidden)
        for block in self.blocks:
            hidden = block(hidden)
        return self._joined(hidden[:, 1:])

    def _joined(self, patches: Tensor) -> Tensor:
        """Squares of patches -> one vector each: the upper left one first, then its right neighbour, then below."""
        side = self._tokens
        squares = patches.reshape(len(patches), side, MERGED, side, MERGED, -1).transpose(2, 3)
        return squares.reshape(len(patches), side * side, -1)

    def arrange(self, rows: Sequence[Tensor], grid: tuple[int, int] | None) -> Tensor:
        """The whole, a separator, and the tiles put together, each row with its newline: [rows, hidden].

        :param rows: [tokens, 4 * width] of each view. ``grid``: columns and rows of the tiles.
        """
        side = self._tokens
        columns = 1 if grid is None else grid[0]
        whole, tiles = rows[0].reshape(side, side, -1), torch.stack(list(rows[1:]))
        picture = tiles.reshape(-1, columns, side, side, tiles.shape[-1]).transpose(1, 2)
        lines = picture.reshape(-1, side * columns, tiles.shape[-1])
        joined = torch.cat([self._with_newlines(whole), self.plora_glb_GN[0], self._with_newlines(lines)])
        out: Tensor = self.vision_proj(joined)
        return out

    def _with_newlines(self, lines: Tensor) -> Tensor:
        """[lines, tokens, width] -> [lines * (tokens + 1), width]."""
        newline = self.plora_sub_GN[0].expand(len(lines), 1, -1)
        return torch.cat([lines, newline], 1).flatten(0, 1)


def build_tower(config: Mapping[str, Any]) -> XComposerTower:
    """The tower of the fields of `TowerSizes`; weights are loaded afterwards."""
    return XComposerTower(TowerSizes(**config))
