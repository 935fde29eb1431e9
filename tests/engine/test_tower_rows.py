"""Towers are called with tiles of one size, and every media item gets its own rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from vlmplug.engine.tower_rows import TowerItem, item_rows


class Counting(nn.Module):
    """One row a line of pixels: the tile's first value and the line's number. ``calls``: shapes that it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[int, ...]] = []

    def forward(self, pixels: Tensor) -> Tensor:
        self.calls.append(tuple(pixels.shape))
        lines = torch.arange(pixels.shape[1], dtype=torch.float32).expand(len(pixels), -1)
        return torch.stack([pixels[:, :, 0, 0].float(), lines], -1)


class Arranging(Counting):
    """Puts a row of minus ones behind each row of tiles."""

    def arrange(self, rows: Sequence[Tensor], grid: tuple[int, int] | None) -> Tensor:
        columns = len(rows) if grid is None else grid[0]
        border = torch.full((1, 2), -1.0)
        return torch.cat(
            [
                piece
                for number, tile in enumerate(rows)
                for piece in ([tile, border] if number % columns == columns - 1 else [tile])
            ]
        )


def group(height: int, width: int, *values: int) -> Tensor:
    """Tiles of one size, each full of one value."""
    return torch.stack([torch.full((height, width, 3), value, dtype=torch.uint8) for value in values])


def values(rows: Tensor) -> list[int]:
    return [int(value) for value in rows[:, 0]]


def test_rows_of_an_item_are_those_of_its_tiles_in_order() -> None:
    items = [
        TowerItem([group(2, 3, 1), group(1, 5, 2, 3)], (2, 1)),
        TowerItem([group(1, 5, 4)]),
        TowerItem([group(3, 2, 5), group(2, 3, 6)]),
    ]
    assert [values(rows) for rows in item_rows(Counting(), items, 32)] == [[1, 1, 2, 3], [4], [5, 5, 5, 6, 6]]


def test_tiles_of_one_size_go_through_the_tower_together_in_bounded_pieces() -> None:
    tower = Counting()
    items = [TowerItem([group(2, 3, 1), group(1, 5, 2, 3)]), TowerItem([group(1, 5, 4, 5, 6)])]
    item_rows(tower, items, 2)
    assert tower.calls == [(1, 2, 3, 3), (2, 1, 5, 3), (2, 1, 5, 3), (1, 1, 5, 3)]
    tower.calls.clear()
    item_rows(tower, items, 32)
    assert tower.calls == [(1, 2, 3, 3), (5, 1, 5, 3)]


def test_a_height_and_a_width_that_change_places_are_two_sizes() -> None:
    tower = Counting()
    item_rows(tower, [TowerItem([group(2, 3, 1), group(3, 2, 2)])], 32)
    assert tower.calls == [(1, 2, 3, 3), (1, 3, 2, 3)]


@pytest.mark.parametrize(
    ("grid", "expected"),
    [((2, 1), [1, 2, -1]), ((1, 2), [1, -1, 2, -1]), (None, [1, 2, -1])],
    ids=["a row", "a column", "no grid"],
)
def test_a_tower_may_arrange_the_rows_of_an_item(grid: tuple[int, int] | None, expected: list[int]) -> None:
    other = TowerItem([group(1, 4, 9)], (1, 1))
    first, second = item_rows(Arranging(), [TowerItem([group(1, 4, 1, 2)], grid), other], 1)
    assert (values(first), values(second)) == (expected, [9, -1])


class Viewing(Arranging):
    """Looks at the left and the right half of each picture, and at a darker copy of its first line."""

    def views(self, picture: Tensor) -> Tensor:
        half = picture.shape[1] // 2
        left, right = picture[:, :half], picture[:, half:]
        return torch.stack([left, right, left - 1]).float()


@pytest.mark.parametrize("most", [1, 2, 32])
def test_a_tower_may_make_what_it_looks_at_itself(most: int) -> None:
    tower = Viewing()
    wide = torch.cat([group(1, 2, 5), group(1, 2, 8)], 2)
    first, second = item_rows(tower, [TowerItem([wide], (3, 1)), TowerItem([group(1, 4, 2, 3)], (6, 1))], most)
    assert values(first) == [5, 8, 4, -1]
    assert values(second) == [2, 2, 1, 3, 3, 2, -1]
    assert sum(call[0] for call in tower.calls) == 9
    assert max(call[0] for call in tower.calls) <= max(most, 1)


SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.lists(st.integers(0, 255), min_size=1, max_size=4))
ITEMS = st.lists(st.lists(SIZES, min_size=1, max_size=3), min_size=1, max_size=4)
Items: TypeAlias = "list[list[tuple[int, int, list[int]]]]"


@given(ITEMS, st.integers(1, 5))
def test_an_item_gets_the_same_rows_whatever_is_beside_it(items: Items, most: int) -> None:
    made = [TowerItem([group(height, width, *tiles) for height, width, tiles in item]) for item in items]
    together = item_rows(Counting(), made, most)
    for item, rows in zip(made, together, strict=True):
        assert torch.equal(rows, item_rows(Counting(), [item], 32)[0])
