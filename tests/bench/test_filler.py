"""Text of a chosen length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.bench.filler import filler
from vlmplug.model import FamilyModel


def by_words(text: str) -> list[str]:
    return text.split()


def by_letters(text: str) -> str:
    return text


@given(st.integers(1, 500))
def test_a_token_a_word_gives_as_many_words(tokens: int) -> None:
    assert len(filler(tokens, by_words, "seed").split()) == tokens


@given(st.integers(1, 500), st.integers())
def test_never_longer_but_by_the_first_word(tokens: int, seed: int) -> None:
    text = filler(tokens, by_letters, f"{seed}")
    assert text
    assert len(text) <= tokens or " " not in text
    longest_word = 7
    assert len(text) + 1 + longest_word > tokens


@pytest.mark.parametrize("tokens", [1, 10, 200, 1000])
def test_with_a_real_tokenizer(tokens: int, model: FamilyModel) -> None:
    count = len(model.tokenizer.encode_text(filler(tokens, model.tokenizer.encode_text, "0 1")))
    assert tokens - 12 < count <= max(tokens, 12)


def test_the_seed_decides_from_the_first_words_on() -> None:
    texts = [filler(50, by_words, f"0 {number}") for number in range(200)]
    assert len({" ".join(text.split()[:5]) for text in texts}) == 200
    assert texts[7] == filler(50, by_words, "0 7")
