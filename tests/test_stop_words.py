"""Stop words are found wherever the stream is cut, and nothing else is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.stop_words import StopWords


def run(words: tuple[str, ...], pieces: list[str]) -> tuple[str, bool]:
    stop = StopWords(words)
    said = "".join(stop.push(piece) for piece in pieces)
    return said + stop.finish(), stop.hit


@pytest.mark.parametrize(
    ("words", "pieces", "said", "hit"),
    [
        ((), ["a", "b"], "ab", False),
        (("END",), ["one E", "ND two"], "one ", True),
        (("END",), ["one E", "NTER"], "one ENTER", False),
        (("\n\n", "END"), ["a\n", "b\n", "\nc"], "a\nb", True),
        (("b", "ab"), ["xab"], "x", True),
        (("END",), ["END"], "", True),
        (("",), ["text"], "text", False),
    ],
)
def test_cases(words: tuple[str, ...], pieces: list[str], said: str, hit: bool) -> None:
    assert run(words, pieces) == (said, hit)


@given(st.lists(st.text("abE", max_size=4), max_size=12), st.lists(st.text("abE", min_size=1, max_size=3), max_size=3))
def test_cutting_does_not_matter(pieces: list[str], words: list[str]) -> None:
    whole = "".join(pieces)
    places = [at for word in words if (at := whole.find(word)) >= 0]
    said, hit = run(tuple(words), pieces)
    assert hit == bool(places)
    assert said == (whole[: min(places)] if places else whole)
