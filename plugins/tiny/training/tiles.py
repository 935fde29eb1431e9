"""From pictures to tiles of the model's size, cut by the host as the official code cuts them."""

from __future__ import annotations

from PIL import Image

from vlmplug.parts.tiling import Tiles, TilingRule, best_grid, cut_tiles

__all__ = ["MOST_TILES", "PATCH", "TILE", "TOKENS", "Tiles", "tiles_of"]

#: Side of a tile (``force_image_size``) and most tiles of one picture (``max_dynamic_patch``).
TILE = 112
MOST_TILES = 4
#: Side of a patch, and tokens of one tile (each token holds a block of 2 x 2 patches).
PATCH = 14
TOKENS = (TILE // PATCH // 2) ** 2


def tiles_of(picture: Image.Image, most: int = MOST_TILES) -> Tiles:
    """uint8 [n, TILE, TILE, 3]: the tiles row by row; where there are several, the whole picture last."""
    rule = TilingRule(TILE, max_tiles=most)
    return cut_tiles(picture, best_grid(picture.size, rule), rule)
