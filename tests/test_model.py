"""Media inputs: tiles of one size, or of several."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.model import EngineInput, MediaInput, MediaSpan

HALF = (0.5, 0.5, 0.5)


def tiles(count: int, height: int, width: int, value: int = 0) -> np.ndarray:
    return np.full((count, height, width, 3), value, np.uint8)


ONE = MediaInput(tiles(2, 4, 6), 8, (2, 1), HALF, HALF)
SEVERAL = replace(ONE, more_pixels=(tiles(3, 5, 2, 255), tiles(1, 4, 6)))


def test_tiles_and_sizes_of_one_group() -> None:
    assert (ONE.tiles, ONE.sizes) == (2, ((6, 4), (6, 4)))
    assert [group.shape for group in ONE.groups] == [(2, 4, 6, 3)]


def test_tiles_and_sizes_of_several_groups() -> None:
    assert SEVERAL.tiles == 6
    assert SEVERAL.sizes == ((6, 4), (6, 4), (2, 5), (2, 5), (2, 5), (6, 4))
    assert [group.shape for group in SEVERAL.groups] == [(2, 4, 6, 3), (3, 5, 2, 3), (1, 4, 6, 3)]


def test_a_tower_that_makes_views_of_its_own_looks_at_as_many() -> None:
    viewed = replace(ONE, views=7)
    assert (viewed.tiles, viewed.sizes) == (7, ONE.sizes)
    assert viewed.content_hash == ONE.content_hash


def test_normalised_pixels_are_those_of_the_first_group_or_every_tile() -> None:
    assert np.array_equal(ONE.normalised(), np.full((2, 3, 4, 6), -1, np.float32))
    every = list(SEVERAL.normalised_tiles())
    assert [tile.shape for tile in every] == [(3, height, width) for width, height in SEVERAL.sizes]
    assert [float(tile.max()) for tile in every] == [-1, -1, 1, 1, 1, -1]


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, pixels=tiles(2, 6, 4)),
        replace(ONE, pixels=tiles(2, 4, 6, 1)),
        replace(ONE, pixels=tiles(1, 4, 6), more_pixels=(tiles(1, 4, 6),)),
        replace(ONE, grid=(1, 2)),
        replace(ONE, grid=None),
        SEVERAL,
        replace(SEVERAL, more_pixels=SEVERAL.more_pixels[::-1]),
    ],
    ids=["shape", "value", "other groups", "grid", "no grid", "more tiles", "another order"],
)
def test_other_content_has_another_hash(other: MediaInput) -> None:
    assert other.content_hash not in (ONE.content_hash, *([] if other is SEVERAL else [SEVERAL.content_hash]))


def test_the_hash_is_that_of_the_content() -> None:
    copied = replace(SEVERAL, pixels=np.asfortranarray(SEVERAL.pixels))
    assert copied.content_hash == SEVERAL.content_hash == pickle.loads(pickle.dumps(SEVERAL)).content_hash


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_media_tokens_are_the_positions_of_all_spans(lengths: list[int]) -> None:
    spans = tuple(MediaSpan(0, 10 * number, length) for number, length in enumerate(lengths))
    assert EngineInput((1,) * 99, spans, (replace(ONE, tokens=sum(lengths)),)).media_tokens == sum(lengths)
