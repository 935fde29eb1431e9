"""``tokenizer.json`` on its own: Llama-3's kind, sentencepiece's kind, and broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from vlmplug.errors import TokenizerError
from vlmplug.prompt import Special, Text
from vlmplug.text_model import Prefix
from vlmplug.tokenizer import Tokenizer

GOLDEN = Path(__file__).parent / "golden" / "internvl2"
BYTE_LEVEL: dict[str, Any] = json.loads((GOLDEN / "tiny_qwen2" / "tokenizer.json").read_text("utf-8"))
SENTENCEPIECE: dict[str, Any] = json.loads(Tokenizer.from_folder(GOLDEN / "tiny").fast_json())

BOS = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [],
    "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [501], "tokens": ["<|im_start|>"]}},
}
METASPACE = {"type": "Metaspace", "replacement": "▁", "split": False}
PREPEND = {"type": "Prepend", "prepend": "▁"}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


def written(folder: Path, document: dict[str, Any], **config: Any) -> Tokenizer:
    """The tokenizer of a folder with this ``tokenizer.json``."""
    (folder / "tokenizer.json").write_text(json.dumps(document))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **config}))
    return Tokenizer.from_folder(folder)


@pytest.mark.parametrize(
    ("processor", "config", "expected"),
    [
        (None, {}, ()),
        (BOS, {}, (501,)),
        ({"type": "Sequence", "processors": [{"type": "ByteLevel"}, BOS]}, {}, (501,)),
        (BOS, {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": False}, ()),
        (
            None,
            {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, "bos_token": "<|endoftext|>"},
            (500,),
        ),
    ],
    ids=["none", "template", "in a sequence", "Llama without", "Llama with"],
)
def test_what_it_puts_in_front(
    tmp_path: Path, processor: dict[str, Any] | None, config: dict[str, Any], expected: tuple[int, ...]
) -> None:
    assert written(tmp_path, {**BYTE_LEVEL, "post_processor": processor}, **config).bos_ids == expected


def test_ids_are_those_of_transformers(tmp_path: Path) -> None:
    tokenizer = written(tmp_path, {**BYTE_LEVEL, "post_processor": BOS})
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    for text in ("Hello world", "  a\n\n你 <|im_end|>x", ""):
        assert tokenizer.encode([Text(text, parse_special_tokens=True)]) == theirs(text).input_ids


@pytest.mark.parametrize(
    ("normalizer", "pre_tokenizer", "prefix"),
    [
        (SPACES, None, "none"),
        ({"type": "Sequence", "normalizers": [PREPEND, SPACES]}, None, "each"),
        (None, {**METASPACE, "prepend_scheme": "always"}, "each"),
        (None, {**METASPACE, "prepend_scheme": "first"}, "first"),
        (None, {**METASPACE, "prepend_scheme": "never"}, "none"),
        (None, {**METASPACE, "add_prefix_space": False}, "none"),
    ],
)
def test_the_space_in_front_of_texts(
    tmp_path: Path, normalizer: dict[str, Any] | None, pre_tokenizer: dict[str, Any] | None, prefix: Prefix
) -> None:
    document = {**SENTENCEPIECE, "normalizer": normalizer, "pre_tokenizer": pre_tokenizer}
    tokenizer = written(tmp_path, document)
    first, second = {"none": (282, 282), "each": (333, 333), "first": (333, 282)}[prefix]
    assert tokenizer.model.prefix == prefix
    assert tokenizer.encode([Text("The"), Special("<img>"), Text("The")]) == [1, first, 567, second]


def test_sentencepiece_bytes_are_decoded(tmp_path: Path) -> None:
    tokenizer = written(tmp_path, SENTENCEPIECE)
    assert tokenizer.decode(tokenizer.encode_text("The 犬 cat")) == "The 犬 cat"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"model": {"type": "Unigram", "vocab": []}}, "no byte-pair model"),
        ({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}, "no vocabulary"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, "no piece for"),
        ({"normalizer": {"type": "Nonsense"}}, "cannot be read"),
        ({"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {}}]}}, "post_processor"),
        ({"added_tokens": [{"id": -3, "content": "x"}]}, "added tokens are malformed"),
        ({"added_tokens": [{"content": "x"}]}, "added tokens are malformed"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(TokenizerError, match=problem):
        written(tmp_path, {**BYTE_LEVEL, **change})
