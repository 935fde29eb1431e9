"""Sentencepiece models: the merges give the ids of sentencepiece itself, on any text."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmplug.errors import TokenizerError
from vlmplug.prompt import Text
from vlmplug.sentencepiece_model import read_sentencepiece

FILE = Path(__file__).parent / "golden" / "internvl2" / "tiny" / "tokenizer.model"
MODEL = read_sentencepiece(FILE)
OFFICIAL = sentencepiece.SentencePieceProcessor(model_file=str(FILE))

#: Texts near the vocabulary, where merges compete, and everything else that Unicode has.
NEAR = st.text(st.sampled_from("aehinorst Tcd.,\n\t▁"), max_size=60)
RUNS = st.lists(st.sampled_from([" ", "  ", "\n", "\t", "▁", "the", "ab", "aa", "12"]), max_size=30).map("".join)
FAR = st.text(max_size=40)
TRICKY = st.text(st.sampled_from("你好😀👍🏽é\u0301\x00\x07\x1f\u200b\u3000\ufeff\ufffd𠮷 a"), max_size=30)


@settings(max_examples=400)
@given(st.one_of(NEAR, RUNS, FAR, TRICKY))
def test_ids_are_those_of_sentencepiece(text: str) -> None:
    parsed = Text(text, parse_special_tokens=True)
    assert MODEL.encode([parsed], prefixed=False) == OFFICIAL.encode(text)


@given(st.lists(st.sampled_from(["[UNUSED_TOKEN_141]", "[UNUSED_TOKEN_14", "]", " a", "the", "▁"]), max_size=12))
def test_user_defined_pieces_are_never_cut_nor_merged(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert MODEL.encode([Text(text, parse_special_tokens=True)], prefixed=False) == OFFICIAL.encode(text)


def test_the_space_in_front_is_that_of_sentencepiece(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.model"
    file.write_bytes(FILE.read_bytes() + b"\x1a\x02\x18\x01")  # normalizer_spec.add_dummy_prefix = true
    model, official = read_sentencepiece(file), sentencepiece.SentencePieceProcessor(model_file=str(file))
    assert model.prefix == "each"
    for text in ("The cat", " The", "", "\n", "你", "[UNUSED_TOKEN_141]x"):
        assert model.encode([Text(text, parse_special_tokens=True)], prefixed=True) == official.encode(text), text


def test_markers_are_literal_where_nothing_is_parsed() -> None:
    ids = MODEL.encode([Text("[UNUSED_TOKEN_141]")], prefixed=False)
    assert 561 not in ids
    assert b"".join(MODEL.surfaces[token] for token in ids) == b"[UNUSED_TOKEN_141]"


@pytest.mark.parametrize(
    ("appended", "problem"),
    [
        (b"\x12\x02\x18\x01", "a model type other than byte-pair"),  # trainer_spec.model_type = UNIGRAM
        (b"\x1a\x02\x20\x01", "removal of extra spaces"),  # normalizer_spec.remove_extra_whitespaces = true
        (b"\x1a\x02\x28\x00", "unescaped spaces"),  # normalizer_spec.escape_whitespaces = false
        (b"\x1a\x03\x12\x01x", "a table of character replacements"),  # normalizer_spec.precompiled_charsmap = "x"
        (b"\x12\x03\xc0\x01\x01", "spaces as suffixes"),  # trainer_spec.treat_whitespace_as_suffix = true
        (b"\x0a\x05\x0a\x01z\x18\x05", "unused pieces"),  # one more piece, of type UNUSED
    ],
)
def test_models_that_would_give_other_ids_are_refused(tmp_path: Path, appended: bytes, problem: str) -> None:
    file = tmp_path / "tokenizer.model"
    file.write_bytes(FILE.read_bytes() + appended)
    with pytest.raises(TokenizerError, match=problem):
        read_sentencepiece(file)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 40, FILE.read_bytes()[:5000], b"\x0a\x0a\x0a\x06<0xZZ>\x18\x06" + FILE.read_bytes()],
    ids=["empty", "noise", "cut short", "malformed byte piece"],
)
def test_broken_files_are_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tokenizer.model"
    file.write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tokenizer\.model"):
        read_sentencepiece(file)


def test_it_lives_beside_the_generated_modules_of_other_libraries() -> None:
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(FILE.read_bytes())
    assert len(proto.pieces) == len(MODEL.surfaces)
