"""The image encoder of Segment Anything (ViTDet) in plain PyTorch, under its official parameter names.

Most layers attend inside windows, a few to the whole picture, all of them with decomposed relative positions: what a
query says to the difference in rows and to that in columns is added to its scores. Written after the description in
"Segment Anything" (arXiv 2304.02643, appendix A) and "Exploring Plain Vision Transformer Backbones" (arXiv 2203.16527);
names and numbers are those of facebookresearch/segment-anything.

The added scores are as many as the attention itself: 200 million for a picture of 1024 pixels and 12 heads. They are
made for `MOST_BIASES` pairs of tokens at once, never for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlmplug.parts.vit import PatchEmbedding

#: Relative positions that are held at once, over all heads; 2 or 4 bytes each.
MOST_BIASES = 2**25


@dataclass(frozen=True)
class SamShape:
    """Sizes of an encoder.

    - ``image_size``, ``patch_size``: pixels. ``width``, ``inner``: of residual stream and MLP.
    - ``window``: tokens along the side of a window. ``global_layers``: numbers of the layers without windows.
    - ``neck``: channels of the result. ``eps``: of all norms.
    """

    image_size: int
    patch_size: int
    width: int
    inner: int
    heads: int
    layers: int
    window: int
    global_layers: tuple[int, ...]
    neck: int
    eps: float = 1e-6

    @property
    def side(self) -> int:
        """Patches along the side of a picture."""
        return self.image_size // self.patch_size


class RelativeAttention(nn.Module):
    """Attention over a square grid with decomposed relative positions: [n, side, side, width] -> the same."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // heads))

    def forward(self, grid: Tensor) -> Tensor:
        heads = self.qkv(grid).unflatten(-1, (3, self.heads, -1))
        query, key, value = heads.permute(3, 0, 4, 1, 2, 5)
        grids, rows = self._bounds(grid.shape[1])
        pieces = zip(query.split(grids), key.split(grids), value.split(grids), strict=True)
        mixed = torch.cat([torch.cat(list(self._rows(*piece, rows)), 2) for piece in pieces])
        out: Tensor = self.proj(mixed.permute(0, 2, 3, 1, 4).flatten(3))
        return out

    def _bounds(self, side: int) -> tuple[int, int]:
        """How many grids, and how many rows of queries of each, are worked on at once."""
        of_row = self.heads * side**3
        return max(1, MOST_BIASES // (of_row * side)), max(1, min(side, MOST_BIASES // of_row))

    def _rows(self, query: Tensor, key: Tensor, value: Tensor, rows: int) -> Iterator[Tensor]:
        """Attention for ``rows`` rows of queries at a time; all [n, heads, side, side, head size]."""
        side = query.shape[2]
        to_rows, to_columns = relative(self.rel_pos_h, side), relative(self.rel_pos_w, side)
        keys, values = key.flatten(2, 3), value.flatten(2, 3)
        for first in range(0, side, rows):
            some = query[:, :, first : first + rows]
            by_row = torch.einsum("nhrcd,rkd->nhrck", some, to_rows[first : first + rows])
            by_column = torch.einsum("nhrcd,ckd->nhrck", some, to_columns)
            bias = (by_row[..., None] + by_column[..., None, :]).flatten(4).flatten(2, 3)
            mixed = F.scaled_dot_product_attention(some.flatten(2, 3), keys, values, attn_mask=bias)
            yield mixed.unflatten(2, (-1, side))


class SamMLP(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, inner)
        self.lin2 = nn.Linear(inner, width)

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.lin2(F.gelu(self.lin1(hidden)))
        return out


class SamBlock(nn.Module):
    """Pre-norm layer over a grid [n, side, side, width].

    :param window: side of the windows; 0: the whole grid is one.
    """

    def __init__(self, shape: SamShape, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(shape.width, shape.eps)
        self.attn = RelativeAttention(shape.width, shape.heads, window or shape.side)
        self.norm2 = nn.LayerNorm(shape.width, shape.eps)
        self.mlp = SamMLP(shape.width, shape.inner)

    def forward(self, grid: Tensor) -> Tensor:
        grid = grid + self._mixed(self.norm1(grid))
        out: Tensor = grid + self.mlp(self.norm2(grid))
        return out

    def _mixed(self, grid: Tensor) -> Tensor:
        if not self.window:
            mixed: Tensor = self.attn(grid)
            return mixed
        return from_windows(self.attn(to_windows(grid, self.window)), grid.shape[1])


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of [n, channels, height, width]."""

    def forward(self, grid: Tensor) -> Tensor:
        return super().forward(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Neck(nn.Sequential):
    """Grid [n, side, side, width] -> [n, channels, side, side]."""

    def __init__(self, shape: SamShape) -> None:
        super().__init__(
            nn.Conv2d(shape.width, shape.neck, 1, bias=False),
            LayerNorm2d(shape.neck, shape.eps),
            nn.Conv2d(shape.neck, shape.neck, 3, padding=1, bias=False),
            LayerNorm2d(shape.neck, shape.eps),
        )

    def forward(self, grid: Tensor) -> Tensor:
        channels_first = grid.permute(0, 3, 1, 2)
        for layer in self:
            channels_first = layer(channels_first)
        return channels_first


class SamEncoder(nn.Module):
    """pixels [n, 3, image size, image size] -> [n, neck, side, side]."""

    def __init__(self, shape: SamShape) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(shape.patch_size, shape.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, shape.side, shape.side, shape.width))
        windows = [0 if number in shape.global_layers else shape.window for number in range(shape.layers)]
        self.blocks = nn.ModuleList(SamBlock(shape, window) for window in windows)
        self.neck = Neck(shape)

    def grids(self, pixels: Tensor) -> Iterator[Tensor]:
        """The grid [n, side, side, width] behind each layer."""
        grid = self.patch_embed(pixels) + self.pos_embed
        for block in self.blocks:
            grid = block(grid)
            yield grid

    def forward(self, pixels: Tensor) -> Tensor:
        last = pixels
        for grid in self.grids(pixels):
            last = grid
        out: Tensor = self.neck(last)
        return out


def relative(table: Tensor, side: int) -> Tensor:
    """Rows of a table [2 · side - 1, size] by query and key: [side, side, size]."""
    places = torch.arange(side, device=table.device)
    return table[places[:, None] - places[None, :] + side - 1]


def to_windows(grid: Tensor, window: int) -> Tensor:
    """[n, side, side, width] -> [n · windows, window, window, width]; zeros fill up the last ones."""
    missing = -grid.shape[1] % window
    padded = F.pad(grid, (0, 0, 0, missing, 0, missing))
    cells: Tensor = padded.unflatten(2, (-1, window)).unflatten(1, (-1, window))
    return cells.transpose(2, 3).flatten(0, 2)


def from_windows(windows: Tensor, side: int) -> Tensor:
    """What `to_windows` cut, put together again: [n, side, side, width]."""
    window = windows.shape[1]
    count = -(-side // window)
    cells: Tensor = windows.unflatten(0, (-1, count, count)).transpose(2, 3)
    return cells.flatten(3, 4).flatten(1, 2)[:, :side, :side]
