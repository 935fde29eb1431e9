"""Scaling a picture to whole tiles, as ``Image_transform`` and ``Video_transform`` of the official ``ixc_utils.py`` do.

A tall picture is mirrored over its main diagonal first and back afterwards: what is resized is always wide, and Pillow
rounds between its two passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image

from vlmplug.parts.tiling import Size
from vlmplug_xcomposer2_5.sizes import TILE

_WHITE = (255, 255, 255)


def scaled_picture(image: Image.Image, most_tiles: int) -> Image.Image:
    """A picture with sides of whole tiles, white at the end of its shorter side; small ones are enlarged to a tile.

    :param image: any mode; converted to RGB first, where the official code fails.
    :param most_tiles: ``hd_num``.
    """
    return _in_tiles(image, lambda size: picture_size(size, most_tiles))


def scaled_canvas(canvas: Image.Image) -> Image.Image:
    """The frames of a clip as one row, or column, of tiles, white at its end."""
    return _in_tiles(canvas, lambda size: (int(TILE * (size[0] / size[1])), TILE))


def picture_size(size: Size, most_tiles: int) -> Size:
    """Width and height to which a picture that is not tall is scaled, before it is filled up to whole tiles.

    As many tiles wide as fit, but no wider than the picture is, rounded up to a tile.
    """
    ratio = size[0] / size[1]
    columns = 1
    while (columns + 1) * math.ceil((columns + 1) / ratio) <= most_tiles:
        columns += 1
    width = TILE * min(math.ceil(size[0] / TILE), columns)
    return width, max(int(width / ratio), 1)


def _in_tiles(image: Image.Image, target: Callable[[Size], Size]) -> Image.Image:
    image = image if image.mode == "RGB" else image.convert("RGB")
    tall = image.width < image.height
    wide = image.transpose(Image.Transpose.TRANSPOSE) if tall else image
    filled = _filled(wide.resize(target(wide.size), Image.Resampling.BILINEAR))
    return filled.transpose(Image.Transpose.TRANSPOSE) if tall else filled


def _filled(image: Image.Image) -> Image.Image:
    """The picture at the upper left of a white one with sides of whole tiles."""
    width, height = (math.ceil(side / TILE) * TILE for side in image.size)
    filled = Image.new("RGB", (width, height), _WHITE)
    filled.paste(image)
    return filled
