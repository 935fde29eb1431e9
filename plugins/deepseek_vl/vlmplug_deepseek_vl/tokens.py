"""The tokenizer of a checkpoint, with what the official classes add to its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vlmplug.parts.checkpoint import check_vocabulary
from vlmplug.special_tokens import SpecialToken
from vlmplug.tokenizer import Tokenizer

BEGIN, END = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"


def read_tokenizer(folder: Path, image_tag: str, rows: int) -> Tokenizer:
    """Puts exactly one begin token in front, whatever the files say: official classes do, ``tokenizer.json`` does not.

    :param image_tag: a special token, added as officially where the files lack it. :param rows: of the embeddings.
    :raises TokenizerError: files are missing or broken. :raises CheckpointMismatchError: more tokens than rows.
    """
    tokenizer = Tokenizer.from_folder(folder)
    begin = tokenizer.special_id(tokenizer.roles.get("bos_token", BEGIN))
    tokens = tokenizer.tokens
    if image_tag not in tokenizer.special_tokens:
        tokens = (*tokens, SpecialToken(image_tag, tokenizer.vocab_size, listed=True))
    tokenizer = replace(tokenizer, tokens=tokens, bos_ids=(begin,))
    check_vocabulary(tokenizer, rows)
    return tokenizer


def end_token(tokenizer: Tokenizer) -> str:
    """The token that ends an answer. Configuration files do not say it: they leave it to classes that mean another."""
    return tokenizer.roles.get("eos_token", END)
