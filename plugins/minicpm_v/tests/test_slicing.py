"""How pictures are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vlmplug_minicpm_v.slicing import SlicingRule, best_grid, slices

RULE, FRAME = SlicingRule(448, 14, 9), SlicingRule(448, 14, 2)


def patches(size: tuple[int, int], rule: SlicingRule) -> list[tuple[int, int]]:
    """Rows and columns of patches of the whole and, if there are some, of a cell."""
    groups = slices(Image.new("RGB", size), best_grid(size, rule), rule)
    return [(group.shape[1] // 14, group.shape[2] // 14) for group in groups]


@pytest.mark.parametrize(
    ("size", "grid", "expected", "frame_grid", "frame_cell"),
    [
        ((448, 448), None, [(32, 32)], None, None),
        ((50, 50), None, [(32, 32)], None, None),
        ((200, 100), None, [(23, 45)], None, None),
        ((14, 448), None, [(181, 6)], None, None),
        ((449, 448), (2, 1), [(32, 32), (45, 23)], (2, 1), (45, 23)),
        ((640, 480), (2, 1), [(28, 37), (39, 26)], (2, 1), (39, 26)),
        ((480, 640), (1, 2), [(37, 28), (26, 39)], (1, 2), (26, 39)),
        ((896, 448), (2, 1), [(23, 45), (32, 32)], (2, 1), (32, 32)),
        ((700, 700), (2, 2), [(32, 32), (32, 32)], (1, 2), (23, 45)),
        ((1024, 768), (2, 2), [(28, 37), (28, 37)], (2, 1), (39, 26)),
        ((336, 2000), (1, 5), [(78, 13), (35, 29)], (1, 2), (55, 18)),
        ((3000, 500), (7, 1), [(13, 78), (34, 30)], (2, 1), (18, 55)),
        ((1920, 1080), (4, 2), [(24, 43), (34, 30)], (2, 1), (34, 30)),
        ((1080, 1920), (2, 4), [(43, 24), (30, 34)], (1, 2), (30, 34)),
        ((2480, 3508), (2, 4), [(38, 27), (27, 38)], (1, 2), (27, 38)),
        ((1275, 1650), (3, 3), [(36, 28), (36, 28)], (1, 2), (26, 40)),
        ((1344, 1344), (3, 3), [(32, 32), (32, 32)], (1, 2), (23, 45)),
    ],
)
def test_the_official_grids(
    size: tuple[int, int],
    grid: tuple[int, int] | None,
    expected: list[tuple[int, int]],
    frame_grid: tuple[int, int] | None,
    frame_cell: tuple[int, int] | None,
) -> None:
    assert best_grid(size, RULE) == grid
    assert patches(size, RULE) == expected
    assert best_grid(size, FRAME) == frame_grid
    assert patches(size, FRAME)[1:] == ([] if frame_cell is None else [frame_cell])
    assert best_grid(size, SlicingRule(448, 14, 1)) is None


def test_cells_lie_row_by_row() -> None:
    quadrants = np.zeros((896, 896, 3), np.uint8)
    for number, (y, x) in enumerate([(0, 0), (0, 448), (448, 0), (448, 448)]):
        quadrants[y : y + 448, x : x + 448] = 40 * number
    whole, cells = slices(Image.fromarray(quadrants), (2, 2), RULE)
    assert [int(cell[200, 200, 0]) for cell in cells] == [0, 40, 80, 120]
    assert int(whole[0, -1, -1, 0]) == 120


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_other_modes_are_converted_before_they_are_resized(mode: str) -> None:
    image = Image.linear_gradient("L").resize((600, 700)).convert(mode)
    for found, expected in zip(slices(image, (1, 2), RULE), slices(image.convert("RGB"), (1, 2), RULE), strict=True):
        assert np.array_equal(found, expected)


SIDES = st.integers(1, 4000)


@given(SIDES, SIDES, st.integers(1, 64))
def test_a_grid_has_at_most_as_many_cells_as_allowed(width: int, height: int, most: int) -> None:
    grid = best_grid((width, height), SlicingRule(448, 14, most))
    if grid is None:
        assert most == 1 or width * height <= 448**2
    else:
        assert 2 <= grid[0] * grid[1] <= most


@given(st.integers(1, 600), st.integers(1, 600), st.sampled_from([RULE, FRAME]))
def test_slices_are_whole_patches(width: int, height: int, rule: SlicingRule) -> None:
    image = Image.new("RGB", (width, height))
    grid = best_grid(image.size, rule)
    groups = slices(image, grid, rule)
    assert [len(group) for group in groups] == ([1] if grid is None else [1, grid[0] * grid[1]])
    assert all(side % 14 == 0 and side > 0 for group in groups for side in group.shape[1:3])
    assert all(group.dtype == np.uint8 and group.shape[3] == 3 for group in groups)
