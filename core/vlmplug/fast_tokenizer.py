"""Writes a tokenizer as the ``tokenizer.json`` and ``tokenizer_config.json`` of a fast tokenizer, for libraries that
read nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vlmplug.special_tokens import SpecialToken
from vlmplug.text_model import TextModel

#: What transformers writes where a tokenizer knows no limit.
_NO_LIMIT = int(1e30)


def fast_document(model: TextModel, tokens: Sequence[SpecialToken], leading: Sequence[SpecialToken]) -> dict[str, Any]:
    """Content of a ``tokenizer.json``.

    It encodes and decodes as the tokenizer does, but parses special tokens in texts, as all such files do; a text that
    begins with a space may get one less where only the first text gets a space. Strings that an added token has
    replaced in the vocabulary are gone.

    :param leading: what the tokenizer puts in front of a prompt.
    """
    document: dict[str, Any] = json.loads(model.engine.to_str())
    pieces = {number: piece for piece, number in document["model"]["vocab"].items()}
    renamed = {token.id: token.content for token in tokens if _fits(token, pieces, model)}
    vocabulary = {piece: number for number, piece in {**pieces, **renamed}.items()}
    document["model"]["vocab"] = vocabulary
    document["added_tokens"] = [_added(token) for token in tokens if token.id in renamed]
    document["post_processor"] = _post_processor(leading)
    return {**document, **model.frame}


def fast_config(roles: Mapping[str, str]) -> dict[str, Any]:
    """Content of a ``tokenizer_config.json``."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": _NO_LIMIT,
        **roles,
    }


def _fits(token: SpecialToken, pieces: Mapping[int, str], model: TextModel) -> bool:
    """Whether the token can take its id: free, its own, or a piece that no text needs."""
    piece = pieces.get(token.id, token.content)
    return piece == token.content or piece in model.symbols or token.id in model.controls


def _added(token: SpecialToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "content": token.content,
        "single_word": token.single_word,
        "lstrip": token.lstrip,
        "rstrip": token.rstrip,
        "normalized": False,
        "special": token.special,
    }


def _post_processor(leading: Sequence[SpecialToken]) -> dict[str, Any] | None:
    if not leading:
        return None
    used = {token.content: {"id": token.content, "ids": [token.id], "tokens": [token.content]} for token in leading}
    return {
        "type": "TemplateProcessing",
        "single": list(_template(leading, "A")),
        "pair": [*_template(leading, "A"), *_template(leading, "B")],
        "special_tokens": used,
    }


def _template(leading: Sequence[SpecialToken], sequence: str) -> Iterator[dict[str, Any]]:
    for token in leading:
        yield {"SpecialToken": {"id": token.content, "type_id": 0}}
    yield {"Sequence": {"id": sequence, "type_id": 0}}
