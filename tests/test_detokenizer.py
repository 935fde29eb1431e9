"""Streaming: pieces that never change, and together are the whole text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.detokenizer import Detokenizer
from vlmplug.tokenizer import TextStream, Tokenizer

GOLDEN = Path(__file__).parent / "golden" / "internvl2"
TOKENIZERS = [Tokenizer.from_folder(GOLDEN / "tiny"), Tokenizer.from_folder(GOLDEN / "tiny_qwen2")]


@st.composite
def chunked_ids(draw: st.DrawFn) -> list[list[int]]:
    """Ids, also of bytes, special tokens and padding rows, in chunks of any length."""
    return draw(st.lists(st.lists(st.integers(0, 600), max_size=4), max_size=20))


@given(chunked_ids(), st.booleans())
def test_all_pieces_together_are_the_decoded_text(chunks: list[list[int]], skipped: bool) -> None:
    ids = [token for chunk in chunks for token in chunk]
    for tokenizer in TOKENIZERS:
        stream = TextStream(tokenizer, skipped)
        pieces = [stream.push(chunk) for chunk in chunks]
        assert "".join([*pieces, stream.finish()]) == tokenizer.decode(ids, skipped)


@given(st.text(max_size=30))
def test_a_valid_text_never_shows_half_a_character(text: str) -> None:
    for tokenizer in TOKENIZERS:
        stream, whole = TextStream(tokenizer), tokenizer.decode(tokenizer.encode_text(text))
        said = ""
        for token in tokenizer.encode_text(text):
            said += stream.push([token])
            assert whole.startswith(said)
        assert said == whole


def test_special_tokens_are_silent_unless_they_are_wanted() -> None:
    stream = TextStream(TOKENIZERS[0])
    assert [stream.push([token]) for token in (565, 569, 2, 282)] == ["", "", "", "The"]
    stream = TextStream(TOKENIZERS[0], skip_special_tokens=False)
    assert all(stream.push([token]) for token in (565, 569, 2, 282))


SURFACES = (b" a", b"b", b"\xe4", b"\xbd\xa0", b"\xff", b"", b" ")


@pytest.mark.parametrize(
    ("invalid", "drops", "ids", "expected"),
    [
        ("byte", False, (0, 1), " ab"),
        ("byte", True, (0, 0, 1), "a ab"),
        ("byte", True, (5, 0), "a"),
        ("byte", True, (6, 6, 1), " b"),
        ("byte", False, (2, 3), "你"),
        ("byte", False, (2, 1), "\ufffdb"),
        ("byte", False, (2, 4), "\ufffd\ufffd"),
        ("character", False, (2, 1), "\ufffdb"),
        ("character", False, (2, 4, 1), "\ufffd\ufffdb"),
    ],
)
def test_bytes(invalid: str, drops: bool, ids: tuple[int, ...], expected: str) -> None:
    detokenizer = Detokenizer(SURFACES, frozenset(), drops, "byte" if invalid == "byte" else "character")
    assert detokenizer.decode(ids) == expected


def test_a_cut_character_of_three_bytes_is_one_or_two_replacements() -> None:
    surfaces = (b"\xe4", b"\xbd")
    assert Detokenizer(surfaces, frozenset(), False, "byte").decode([0, 1]) == "\ufffd\ufffd"
    assert Detokenizer(surfaces, frozenset(), False, "character").decode([0, 1]) == "\ufffd"
