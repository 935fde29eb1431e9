"""Byte-level tokenizers: Qwen2's files, and what is wrong with broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from vlmplug.byte_level import byte_surfaces, read_qwen2
from vlmplug.errors import TokenizerError
from vlmplug.prompt import Text
from vlmplug.tokenizer import Tokenizer

FOLDER = Path(__file__).parent / "golden" / "internvl2" / "tiny_qwen2"
OURS = Tokenizer.from_folder(FOLDER)
#: The fast tokenizer of the same checkpoint, which official code gives the same ids as the slow one.
THEIRS = PreTrainedTokenizerFast.from_pretrained(FOLDER)

NEAR = st.text(st.sampled_from("aehinorst T0129'\n\r\t.,é你好\u0301\u3000😀"), max_size=60)


@given(st.one_of(NEAR, st.text(max_size=40)))
def test_ids_and_texts_are_those_of_transformers(text: str) -> None:
    ids = THEIRS(text, add_special_tokens=False).input_ids
    assert OURS.encode([Text(text, parse_special_tokens=True)]) == ids
    assert OURS.decode(ids) == THEIRS.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@given(st.lists(st.integers(0, 511), max_size=30))
def test_any_ids_decode_as_in_transformers(ids: list[int]) -> None:
    assert OURS.decode(ids) == THEIRS.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [({"A": 0, "Ġ": 1, "Ċ": 3}, (b"A", b" ", b"", b"\n")), ({"ä½": 0}, (b"\xe4\xbd",)), ({"你": 0}, ("你".encode(),))],
)
def test_surfaces(vocabulary: dict[str, int], expected: tuple[bytes, ...]) -> None:
    assert byte_surfaces(vocabulary) == expected


def break_vocabulary(folder: Path) -> None:
    (folder / "vocab.json").write_text('{"a": "zero"}')


def drop_a_byte(folder: Path) -> None:
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    vocabulary.pop("Ġ")
    (folder / "vocab.json").write_text(json.dumps(vocabulary))


def break_merges(folder: Path) -> None:
    (folder / "merges.txt").write_text("#version: 0.2\na b\nxyz qqq\n")


def remove_merges(folder: Path) -> None:
    (folder / "merges.txt").unlink()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (break_vocabulary, "vocab.json holds no vocabulary"),
        (drop_a_byte, "no piece for 0x20"),
        (break_merges, "merges.txt:3"),
        (remove_merges, "merges.txt cannot be read"),
    ],
)
def test_broken_files_are_named(changed: Callable[[Path], Path], damage: Callable[[Path], None], problem: str) -> None:
    folder = changed(FOLDER)
    damage(folder)
    with pytest.raises(TokenizerError, match=problem):
        read_qwen2(folder)
