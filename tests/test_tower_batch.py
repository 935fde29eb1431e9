"""How many tiles go through a tower at once."""

from __future__ import annotations

import pytest

from vlmplug.tower_batch import tiles_at_once


@pytest.mark.parametrize(
    ("limit", "height", "width", "expected"),
    [
        (32, 448, 448, 32),
        (32, 112, 112, 32),
        (32, 1120, 1120, 5),
        (32, 560, 560, 20),
        (1, 1120, 1120, 1),
        (32, 100_000, 100_000, 1),
    ],
    ids=["tiles that count as one", "small ones", "large ones", "larger ones", "one at least", "huge ones"],
)
def test_larger_tiles_count_as_several(limit: int, height: int, width: int, expected: int) -> None:
    assert tiles_at_once(limit, height, width) == expected
