"""A picture takes three positions, wherever it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.engine.positions import check_positions
from vlmplug.model import EngineInput, MediaSpan
from vlmplug_glm4v.positions import position_ids


@pytest.mark.parametrize(
    ("length", "spans", "expected"),
    [
        (3, [], (0, 1, 2)),
        (7, [(1, 5)], (0, 1, 2, 2, 2, 3, 4)),
        (5, [(0, 5)], (0, 1, 1, 1, 2)),
        (10, [(1, 4), (5, 4)], (0, 1, 2, 2, 3, 4, 5, 5, 6, 7)),
        (4, [(0, 3)], (0, 1, 2, 3)),
    ],
    ids=["text", "one picture", "nothing else", "two that touch", "one patch"],
)
def test_positions(length: int, spans: list[tuple[int, int]], expected: tuple[int, ...]) -> None:
    made = [MediaSpan(number, *span) for number, span in enumerate(spans)]
    assert position_ids(length, made) == expected


def counted(pieces: list[int]) -> tuple[int, ...]:
    """The rule word by word: pieces of text have a length, those of pictures a negative one."""
    positions: list[int] = []
    for piece in pieces:
        first = positions[-1] + 1 if positions else 0
        if piece < 0:
            positions += [first, *[first + 1] * (-piece - 2), first + 2]
        else:
            positions += range(first, first + piece)
    return tuple(positions)


@given(st.lists(st.integers(1, 9) | st.integers(-9, -3), min_size=1, max_size=8))
def test_any_mixture(pieces: list[int]) -> None:
    starts = [sum(map(abs, pieces[:number])) for number in range(len(pieces) + 1)]
    spans = tuple(MediaSpan(0, start, -piece) for start, piece in zip(starts[:-1], pieces, strict=True) if piece < 0)
    found = position_ids(starts[-1], spans)
    assert found == counted(pieces)
    check_positions(EngineInput((1,) * starts[-1], spans, position_ids=found), own_positions=True)
