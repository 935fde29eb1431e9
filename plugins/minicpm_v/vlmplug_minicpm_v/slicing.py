"""Cutting a picture into slices of any shape, as ``image_processing_minicpmv.py`` (openbmb) does it.

A small picture is one slice. Others are shown as a whole, scaled down, and then in cells of a grid that fits their
shape; whole and cells each have about the area of a square of the trained side. Rounding is Python's, to even.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from vlmplug.parts.tiling import Grid, Size, resized

#: Width and height of a cell before it is rounded to patches.
_Cell: TypeAlias = "tuple[float, float]"
_Slices: TypeAlias = "tuple[npt.NDArray[np.uint8], ...]"


@dataclass(frozen=True)
class SlicingRule:
    """How pictures are cut: the trained side and a patch's side in pixels, and most cells of a grid."""

    side: int
    patch: int
    max_slices: int


def best_grid(size: Size, rule: SlicingRule) -> Grid | None:
    """Columns and rows of the cells of a picture of ``size`` (width, height); None: it is not cut.

    Of the grids with about as many cells as the picture has squares of the trained side, that with the shape nearest
    to the picture's; the first one of equally near ones.
    """
    width, height = size
    wanted = min(math.ceil(width * height / rule.side**2), rule.max_slices)
    if wanted <= 1:
        return None
    shape = math.log(width / height)
    return min(_grids(wanted, rule), key=lambda grid: abs(shape - math.log(grid[0] / grid[1])))


def _grids(wanted: int, rule: SlicingRule) -> Iterator[Grid]:
    for cells in (wanted - 1, wanted, wanted + 1):
        if 1 < cells <= rule.max_slices:
            yield from ((columns, cells // columns) for columns in range(1, cells + 1) if cells % columns == 0)


def slices(image: Image.Image, grid: Grid | None, rule: SlicingRule) -> _Slices:
    """The whole picture, uint8 [1, height, width, 3], and if it is cut its cells row by row, [cells, height, width, 3].

    :param image: any mode; converted to RGB first, because other modes are resampled differently.
    """
    image = image if image.mode == "RGB" else image.convert("RGB")
    if grid is None:
        return (np.array(image.resize(_filled(image.size, rule)))[None],)
    columns, rows = grid
    width, height = _filled((_multiple(image.width, columns) / columns, _multiple(image.height, rows) / rows), rule)
    whole, canvas = resized(image, [_within(image.size, rule), (width * columns, height * rows)])
    cells = np.array(canvas).reshape(rows, height, columns, width, 3).swapaxes(1, 2)
    return np.array(whole)[None], cells.reshape(rows * columns, height, width, 3)


def _within(size: Size, rule: SlicingRule) -> Size:
    """Scaled down to the area of the trained square where it is larger, in whole patches."""
    width, height = size
    return _filled(size, rule) if width * height > rule.side**2 else _in_patches(size, rule)


def _filled(size: _Cell, rule: SlicingRule) -> Size:
    """Scaled to the area of the trained square, up or down, in whole patches."""
    ratio = size[0] / size[1]
    height = int(rule.side / math.sqrt(ratio))
    return _in_patches((int(height * ratio), height), rule)


def _in_patches(size: Size, rule: SlicingRule) -> Size:
    return _multiple(size[0], rule.patch), _multiple(size[1], rule.patch)


def _multiple(length: float, of: int) -> int:
    """The multiple of ``of`` nearest to a length, not less than ``of``."""
    return max(round(length / of) * of, of)
