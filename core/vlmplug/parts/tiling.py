"""Cutting a picture into square tiles whose grid fits its shape, as InternVL's ``dynamic_preprocess`` introduced it.

Grids, ties and resampling follow the official code bit by bit; the picture is resized once and cut as an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from vlmplug.errors import OptionError
from vlmplug.workers import Workers

#: Columns and rows.
Grid: TypeAlias = "tuple[int, int]"
Tiles: TypeAlias = "npt.NDArray[np.uint8]"

#: Width and height.
Size: TypeAlias = "tuple[int, int]"

#: Pixels from which a thread takes less time to begin than to resize them.
_LARGE = 200_000
#: Most tiles of one grid; the official search takes time cubic in this number.
MAX_TILES = 40


@dataclass(frozen=True)
class TilingRule:
    """How pictures are cut: sides of a tile in pixels, fewest and most tiles, and whether the whole picture follows."""

    tile_size: int
    min_tiles: int = 1
    max_tiles: int = 12
    thumbnail: bool = True


@lru_cache(maxsize=256)
def grids(min_tiles: int, max_tiles: int) -> tuple[Grid, ...]:
    """Every grid of ``min_tiles`` to ``max_tiles`` tiles, the smaller first.

    Grids of as many tiles stay in the order in which a set iterates them, and the set is built as officially: that
    order decides between equally good grids.

    :raises OptionError: the bounds are not 1 <= min_tiles <= max_tiles <= `MAX_TILES`.
    """
    if not 1 <= min_tiles <= max_tiles <= MAX_TILES:
        raise OptionError(
            f"{min_tiles} to {max_tiles} tiles are no range of tiles.",
            f"Give a smallest and a largest number from 1 to {MAX_TILES}.",
        )
    found = {
        (columns, rows)
        for side in range(min_tiles, max_tiles + 1)
        for columns in range(1, side + 1)
        for rows in range(1, side + 1)
        if min_tiles <= columns * rows <= max_tiles
    }
    return tuple(sorted(found, key=lambda grid: grid[0] * grid[1]))


def best_grid(size: Size, rule: TilingRule) -> Grid:
    """The grid whose shape is nearest to that of a picture of ``size`` (width, height).

    Of equally near grids the larger one is taken only if the picture has more than half of its pixels.

    :raises OptionError: as `grids`.
    """
    width, height = size
    best, nearest = (1, 1), float("inf")
    for columns, rows in grids(rule.min_tiles, rule.max_tiles):
        distance = abs(width / height - columns / rows)
        large = width * height > 0.5 * rule.tile_size * rule.tile_size * columns * rows
        if distance < nearest or (distance == nearest and large):
            best, nearest = (columns, rows), distance
    return best


def cut_tiles(image: Image.Image, grid: Grid, rule: TilingRule) -> Tiles:
    """The tiles of a picture, row by row, and behind more than one of them the whole picture if the rule says so.

    :param image: any mode; converted to RGB first, because other modes are resampled differently.
    :return: uint8 [tiles, tile_size, tile_size, 3].
    """
    image, side = image if image.mode == "RGB" else image.convert("RGB"), rule.tile_size
    columns, rows = grid
    count = columns * rows
    whole_too = rule.thumbnail and count > 1
    tiles = np.empty((count + whole_too, side, side, 3), np.uint8)
    canvas, *whole = resized(image, [(side * columns, side * rows), *[(side, side)] * whole_too])
    cells = np.asarray(canvas).reshape(rows, side, columns, side, 3).swapaxes(1, 2)
    tiles[:count].reshape(rows, columns, side, side, 3)[...] = cells
    if whole_too:
        tiles[count] = np.asarray(whole[0])
    return tiles


def resized(image: Image.Image, sizes: Sequence[Size]) -> list[Image.Image]:
    """A picture in one or several sizes (bicubic); those of a large one are made at the same moment.

    Pillow lets other threads run meanwhile. Of a photograph of twelve megapixels the small whole takes as long as the
    tiles do.
    """
    if len(sizes) == 1 or image.width * image.height < _LARGE:
        return [image.resize(size) for size in sizes]
    image.load()
    workers = Workers(len(sizes) - 1, "vlmplug-resize")
    try:
        others = [workers.submit(partial(image.resize, size)) for size in sizes[1:]]
        return [image.resize(sizes[0]), *(other.result() for other in others)]
    finally:
        workers.close()
