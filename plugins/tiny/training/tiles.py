"""From pictures to tiles of the model's size, as the official code cuts them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Side of a tile (``force_image_size``) and most tiles of one picture (``max_dynamic_patch``).
TILE = 112
MOST_TILES = 4
#: Side of a patch, and tokens of one tile (each token holds a block of 2 x 2 patches).
PATCH = 14
TOKENS = (TILE // PATCH // 2) ** 2

Tiles = npt.NDArray[np.uint8]


def grid_of(width: int, height: int, most: int) -> tuple[int, int]:
    """Columns and rows: the grid of at most ``most`` tiles whose shape comes nearest to the picture's.

    Of equally near grids the larger one is taken where the picture has more than half of its pixels.
    """
    grids = {
        (i, j) for n in range(1, most + 1) for i in range(1, n + 1) for j in range(1, n + 1) if i * j <= most
    }
    best, nearest = (1, 1), float("inf")
    for columns, rows in sorted(grids, key=lambda grid: grid[0] * grid[1]):
        distance = abs(width / height - columns / rows)
        large = width * height > 0.5 * TILE * TILE * columns * rows
        if distance < nearest or (distance == nearest and large):
            best, nearest = (columns, rows), distance
    return best


def tiles_of(picture: Image.Image, most: int = MOST_TILES) -> Tiles:
    """uint8 [n, TILE, TILE, 3]: the tiles row by row; where there are several, the whole picture last."""
    columns, rows = grid_of(picture.width, picture.height, most)
    size = TILE * columns, TILE * rows
    resized = np.asarray(picture if picture.size == size else picture.resize(size))
    cut: Tiles = resized.reshape(rows, TILE, columns, TILE, 3).swapaxes(1, 2).reshape(-1, TILE, TILE, 3)
    if len(cut) == 1:
        return cut
    return np.concatenate([cut, np.asarray(picture.resize((TILE, TILE)))[None]])
