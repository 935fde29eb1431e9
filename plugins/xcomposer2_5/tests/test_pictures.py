"""Scaling to whole tiles: the sizes of the fact table, and what stands where."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL import __version__ as pillow

from vlmplug_xcomposer2_5.pictures import picture_size, scaled_canvas, scaled_picture
from vlmplug_xcomposer2_5.sizes import TILE


@pytest.mark.parametrize(
    ("size", "most", "grid"),
    [
        ((224, 224), 24, (1, 1)),
        ((640, 480), 24, (2, 2)),
        ((561, 560), 6, (2, 2)),
        ((1280, 720), 24, (3, 2)),
        ((720, 1280), 24, (2, 3)),
        ((1920, 1080), 24, (4, 3)),
        ((1920, 1080), 6, (3, 2)),
        ((2048, 2048), 18, (4, 4)),
        ((4000, 3000), 24, (5, 4)),
        ((4000, 3000), 18, (4, 3)),
        ((3000, 1000), 24, (6, 2)),
        ((1000, 3000), 6, (1, 3)),
        ((100, 1000), 24, (1, 2)),
        ((5000, 500), 24, (9, 1)),
        ((3000, 3000), 1, (1, 1)),
    ],
)
def test_grids(size: tuple[int, int], most: int, grid: tuple[int, int]) -> None:
    scaled = scaled_picture(Image.new("RGB", size), most)
    assert (scaled.width / TILE, scaled.height / TILE) == grid


def test_pixels_of_a_drawn_picture() -> None:
    y, x = np.mgrid[0:480, 0:640]
    drawn = np.stack([3 * x + 5 * y, 7 * x + 2 * y, x + 11 * y], -1) % 256
    scaled = scaled_picture(Image.fromarray(drawn.astype(np.uint8)), 24)
    assert scaled.getpixel((0, 0)) == (0, 0, 0)
    assert scaled.getpixel((1119, 1119)) == (255, 255, 255)
    if pillow.startswith("13."):
        assert scaled.getpixel((100, 100)) == (200, 36, 171)
        assert hashlib.md5(scaled.tobytes()).hexdigest() == "49276742b127d56de144858a59fe8243"


@pytest.mark.parametrize(("size", "white"), [((640, 480), (0, 840)), ((480, 640), (840, 0))])
def test_white_is_at_the_end_of_the_shorter_side(size: tuple[int, int], white: tuple[int, int]) -> None:
    scaled = np.asarray(scaled_picture(Image.new("RGB", size), 24))
    assert scaled[white[1] :, white[0] :].min() == 255
    assert scaled[: white[1] or None, : white[0] or None].max() == 0


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
def test_other_modes_are_converted_first(mode: str) -> None:
    picture = Image.effect_noise((90, 60), 90).convert(mode)
    assert scaled_picture(picture, 1).tobytes() == scaled_picture(picture.convert("RGB"), 1).tobytes()


def test_a_clip_is_one_row_or_column() -> None:
    assert scaled_canvas(Image.new("RGB", (1120, 5440))).size == (560, 2800)
    assert scaled_canvas(Image.new("RGB", (4520, 1160))).size == (2240, 560)
    ends = np.asarray(scaled_canvas(Image.new("RGB", (1120, 2166))))
    assert ends.shape == (1120, 560, 3) and ends[1083:].min() == 255 and ends[:1083].max() == 0


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 64))
def test_no_picture_takes_more_tiles_than_it_may(one: int, other: int, most: int) -> None:
    width, height = picture_size((max(one, other), min(one, other)), most)
    assert width % TILE == 0 and 1 <= height <= width
    assert width // TILE * -(-height // TILE) <= most
