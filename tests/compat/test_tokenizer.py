"""The tokenizer of an engine, with Transformers' names."""

from __future__ import annotations

from tests.compat.conftest import CHECKPOINT
from vlmplug.compat.swift.tokenizer import HfTokenizer


def test_it_knows_its_model(tokenizer: HfTokenizer) -> None:
    assert (tokenizer.model_type, tokenizer.model_dir, tokenizer.is_multimodal) == ("internvl2-tiny", CHECKPOINT, True)


def test_ids_and_text(tokenizer: HfTokenizer) -> None:
    ids = tokenizer.encode("How many?<|im_end|>")
    assert ids[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.decode(ids) == "How many?<|im_end|>"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "How many?"
    assert tokenizer.decode(ids[-1]) == "<|im_end|>"
    assert tokenizer.encode("How", add_special_tokens=False) == tokenizer.encode("How")


def test_tokens_with_a_role(tokenizer: HfTokenizer) -> None:
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert (tokenizer.bos_token, tokenizer.bos_token_id) == (None, None)
    assert tokenizer.pad_token is not None and tokenizer.pad_token_id is not None
    assert tokenizer.convert_tokens_to_ids("<|nothing|>") is None
    assert len(tokenizer) == tokenizer.vocab_size > max(tokenizer.encode("How"))
