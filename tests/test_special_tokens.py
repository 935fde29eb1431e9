"""Finding special tokens in texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.special_tokens import SpecialToken, SpecialTokenFinder

TOKENS = (
    SpecialToken("<a>", 1),
    SpecialToken("<a>b", 2),
    SpecialToken("[x]", 3),
    SpecialToken("word", 4, single_word=True),
)
FINDER = SpecialTokenFinder(TOKENS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("plain", ["plain"]),
        ("<a>", [1]),
        ("1<a>2", ["1", 1, "2"]),
        ("<a><a>b<a>", [1, 2, 1]),
        ("<<a>>", ["<", 1, ">"]),
        ("x[x]x", ["x", 3, "x"]),
        ("word words word", [4, " words ", 4]),
        ("word.", ["word."]),
    ],
)
def test_the_longest_at_the_leftmost_place(text: str, expected: list[str | int]) -> None:
    assert [piece if isinstance(piece, str) else piece.id for piece in FINDER.split(text)] == expected


@given(st.lists(st.sampled_from(["<a>", "b", "[x]", "word", " ", "<", "\n"]), max_size=12).map("".join))
def test_nothing_is_lost(text: str) -> None:
    pieces = list(FINDER.split(text))
    assert "".join(piece if isinstance(piece, str) else piece.content for piece in pieces) == text
    assert "" not in pieces


def test_no_tokens_at_all() -> None:
    assert list(SpecialTokenFinder(()).split("<a>")) == ["<a>"]
