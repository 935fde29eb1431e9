"""The generated fast tokenizer, as transformers loads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from tests.test_tokenizer import llama_folder
from vlmplug.fast_tokenizer import fast_document
from vlmplug.prompt import Text
from vlmplug.special_tokens import SpecialToken
from vlmplug.tokenizer import Tokenizer

GOLDEN = Path(__file__).parent / "golden" / "internvl2"


def fast(tokenizer: Tokenizer, folder: Path) -> PreTrainedTokenizerFast:
    """What transformers makes of the generated files."""
    (folder / "tokenizer.json").write_text(tokenizer.fast_json(), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer.fast_config()))
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.fixture(scope="module", params=["tiny", "tiny_qwen2", "legacy Llama"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, PreTrainedTokenizerFast]:
    folder = GOLDEN / request.param
    if request.param == "legacy Llama":
        folder = llama_folder(tmp_path_factory.mktemp("llama"), True, True)
    tokenizer = Tokenizer.from_folder(folder)
    return tokenizer, fast(tokenizer, tmp_path_factory.mktemp("fast"))


@given(text=st.one_of(st.text(max_size=30), st.text(st.sampled_from("aehT \n你<img></>"), max_size=30)))
def test_it_encodes_and_decodes_the_same(pair: tuple[Tokenizer, PreTrainedTokenizerFast], text: str) -> None:
    ours, theirs = pair
    ids = theirs(text).input_ids
    assert ids == ours.encode([Text(text, parse_special_tokens=True)])
    assert theirs.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == ours.decode(ids)


def test_special_tokens_keep_their_ids(pair: tuple[Tokenizer, PreTrainedTokenizerFast]) -> None:
    ours, theirs = pair
    assert len(theirs) == ours.vocab_size
    for token in ours.tokens:
        assert theirs.convert_tokens_to_ids(token.content) == token.id
        assert theirs.convert_ids_to_tokens(token.id) == token.content


def test_the_configuration_names_the_roles() -> None:
    config = Tokenizer.from_folder(GOLDEN / "tiny_qwen2").fast_config()
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert (config["eos_token"], config["pad_token"]) == ("<|im_end|>", "<|endoftext|>")
    assert "bos_token" not in config


def test_gaps_between_ids_stay(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(GOLDEN / "tiny_qwen2")
    document = fast_document(tokenizer.model, (SpecialToken("<far>", 700),), ())
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    assert PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))("<far>").input_ids == [700]


def test_a_token_never_takes_a_piece_that_texts_need() -> None:
    model = Tokenizer.from_folder(GOLDEN / "tiny_qwen2").model
    document = fast_document(model, (SpecialToken("<ref>", 39),), ())
    assert document["model"]["vocab"]["H"] == 39
    assert document["added_tokens"] == []
