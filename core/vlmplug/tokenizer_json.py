"""Reads a ``tokenizer.json``: the text model in it, and what it puts in front of a prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tokenizers

from vlmplug.byte_level import byte_surfaces, check_alphabet
from vlmplug.errors import TokenizerError
from vlmplug.text_model import FRAME, WORD_START, Kind, Prefix, TextModel, checked_vocabulary

_PREFIXES: Mapping[str, Prefix] = {"always": "each", "first": "first", "never": "none"}


def read_tokenizer_json(document: Mapping[str, Any], file: Path) -> TextModel:
    """The text model of a ``tokenizer.json``.

    :param document: the file, read. ``file``: its path, for messages.
    :raises TokenizerError: it is broken, or no byte-pair model.
    """
    model = document.get("model") or {}
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        raise TokenizerError(f"{file} holds no byte-pair model.", "Check that it is the official file.")
    vocabulary = checked_vocabulary(model.get("vocab"), file)
    byte_level = any(part.get("type") == "ByteLevel" for part in _parts(document.get("pre_tokenizer")))
    if byte_level:
        check_alphabet(vocabulary, file)
    plain, prefix = _without_prefix(_plain(document))
    surfaces = byte_surfaces(vocabulary) if byte_level else _surfaces(vocabulary, bool(model.get("byte_fallback")))
    kind: Kind = "byte_level" if byte_level else "sentencepiece"
    return TextModel(_engine(plain, file), kind, prefix, surfaces, {key: document.get(key) for key in FRAME})


def leading_ids(document: Mapping[str, Any], file: Path) -> tuple[int, ...]:
    """Ids that the file's post-processor puts in front of a single text.

    :raises TokenizerError: the post-processor is malformed.
    """
    try:
        for processor in _parts(document.get("post_processor")):
            if processor.get("type") == "TemplateProcessing":
                return tuple(_template_ids(processor))
    except (KeyError, TypeError) as error:
        raise TokenizerError(f"{file}: the post_processor is malformed ({error!r}).", "Download it again.") from error
    return ()


def _template_ids(processor: Mapping[str, Any]) -> Iterator[int]:
    for piece in processor.get("single", ()):
        if "SpecialToken" not in piece:
            return
        yield from processor["special_tokens"][piece["SpecialToken"]["id"]]["ids"]


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    nothing = dict.fromkeys(("post_processor", "truncation", "padding"))
    return {**document, **nothing, "added_tokens": []}


def _without_prefix(document: dict[str, Any]) -> tuple[dict[str, Any], Prefix]:
    """The document without the space that it puts in front of texts, and where it would put one."""
    copy = json.loads(json.dumps({key: document.get(key) for key in ("normalizer", "pre_tokenizer")}))
    prefix: Prefix = "none"
    for part in _parts(copy["normalizer"]):
        if part.get("type") == "Prepend" and part.get("prepend") == WORD_START:
            part["prepend"], prefix = "", "each"
    for part in _parts(copy["pre_tokenizer"]):
        if part.get("type") == "Metaspace":
            default = "always" if part.get("add_prefix_space", True) else "never"
            prefix = _PREFIXES[part.pop("prepend_scheme", default)]
            part["prepend_scheme"] = "never"
            part.pop("add_prefix_space", None)
    return {**document, **copy}, prefix


def _parts(part: Any) -> Iterator[dict[str, Any]]:
    """A component and, where it is a sequence, everything in it."""
    if not isinstance(part, dict):
        return
    yield part
    for key in ("normalizers", "pretokenizers", "processors", "decoders"):
        for inner in part.get(key) or ():
            yield from _parts(inner)


def _surfaces(vocabulary: Mapping[str, int], byte_fallback: bool) -> tuple[bytes, ...]:
    surfaces = [b""] * (max(vocabulary.values(), default=-1) + 1)
    for piece, number in vocabulary.items():
        surfaces[number] = piece.replace(WORD_START, " ").encode()
    if byte_fallback:
        for byte in range(256):
            if (number := vocabulary.get(f"<0x{byte:02X}>", -1)) >= 0:
                surfaces[number] = bytes([byte])
    return tuple(surfaces)


def _engine(document: dict[str, Any], file: Path) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(json.dumps(document, ensure_ascii=False))
    except Exception as error:
        if type(error) is not Exception:  # the tokenizers library raises the bare class; all else is a fault of ours
            raise
        raise TokenizerError(f"{file} cannot be read: {error}.", "Download the file again.") from error
