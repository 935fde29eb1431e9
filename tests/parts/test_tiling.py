"""Tilings: grids as the official search finds them, tiles as Pillow resizes and crops them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vlmplug.errors import OptionError
from vlmplug.parts.tiling import MAX_TILES, Grid, TilingRule, best_grid, cut_tiles, grids

GOLDEN = Path(__file__).parents[1] / "golden" / "internvl2" / "preprocess.json"
CASES = json.loads(GOLDEN.read_text("utf-8"))["cases"]


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture in which no two pixels nearby are alike."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([7 * x + 3 * y, 5 * x + 11 * y, 13 * x + 2 * y], -1).astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_official_grids(case: dict[str, dict[str, int | list[int]]]) -> None:
    image, chosen = case["image"], {**case["settings"], **case["options"]}
    rule = TilingRule(448, chosen["min_num"], chosen["max_num"], chosen["use_thumbnail"])  # type: ignore[arg-type]
    grid = best_grid((image["width"], image["height"]), rule)  # type: ignore[arg-type]
    tiles = grid[0] * grid[1] + (rule.thumbnail and grid != (1, 1))
    assert (list(grid), tiles) == (case["expect"]["grid"], case["expect"]["tiles"])


@pytest.mark.parametrize(
    ("size", "max_tiles", "grid"),
    [
        ((1280, 720), 24, (5, 3)),
        ((2480, 3508), 24, (4, 6)),
        ((3000, 200), 24, (15, 1)),
        ((640, 480), 6, (3, 2)),
        ((634, 633), 12, (1, 1)),
        ((650, 650), 12, (2, 2)),
        ((4000, 17), 40, (40, 1)),
    ],
)
def test_further_sizes(size: tuple[int, int], max_tiles: int, grid: Grid) -> None:
    assert best_grid(size, TilingRule(448, max_tiles=max_tiles)) == grid


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.integers(1, MAX_TILES),
    st.integers(1, MAX_TILES),
)
def test_no_allowed_grid_is_nearer(size: tuple[int, int], one: int, other: int) -> None:
    rule = TilingRule(448, min(one, other), max(one, other))
    columns, rows = best_grid(size, rule)
    shape = size[0] / size[1]
    assert rule.min_tiles <= columns * rows <= rule.max_tiles
    assert abs(shape - columns / rows) == min(abs(shape - c / r) for c, r in grids(rule.min_tiles, rule.max_tiles))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 6), st.booleans())
def test_tiles_are_pillows_crops(width: int, height: int, max_tiles: int, thumbnail: bool) -> None:
    rule, image = TilingRule(14, max_tiles=max_tiles, thumbnail=thumbnail), picture(width, height)
    columns, rows = best_grid(image.size, rule)
    canvas = image.resize((14 * columns, 14 * rows))
    cells = [(14 * column, 14 * row) for row in range(rows) for column in range(columns)]
    expected = [np.asarray(canvas.crop((left, top, left + 14, top + 14))) for left, top in cells]
    if thumbnail and len(cells) > 1:
        expected.append(np.asarray(image.resize((14, 14))))
    assert np.array_equal(cut_tiles(image, (columns, rows), rule), expected)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_every_mode_is_converted_before_it_is_resized(mode: str) -> None:
    image = picture(50, 30, mode)
    rule = TilingRule(14)
    assert np.array_equal(cut_tiles(image, (2, 1), rule), cut_tiles(image.convert("RGB"), (2, 1), rule))


def test_tiles_own_their_memory_and_are_contiguous() -> None:
    tiles = cut_tiles(picture(50, 30), (2, 1), TilingRule(14))
    assert (tiles.shape, tiles.dtype, tiles.flags.c_contiguous) == ((3, 14, 14, 3), np.uint8, True)


@pytest.mark.parametrize(("low", "high"), [(0, 4), (5, 4), (1, MAX_TILES + 1), (1, 10**9)])
def test_ranges_that_cannot_be_searched_are_refused(low: int, high: int) -> None:
    with pytest.raises(OptionError, match=f"{low} to {high} tiles"):
        best_grid((640, 480), TilingRule(448, low, high))


def test_the_grids_of_a_range_are_found_once() -> None:
    assert grids(1, 12) is grids(1, 12)


def test_a_large_picture_is_resized_as_a_small_one_is() -> None:
    image, rule = picture(640, 400), TilingRule(56)
    canvas, whole = (np.asarray(image.resize(size)) for size in ((112, 56), (56, 56)))
    assert np.array_equal(cut_tiles(image, (2, 1), rule), [canvas[:, :56], canvas[:, 56:], whole])
