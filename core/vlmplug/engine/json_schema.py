"""JSON schemas that guide an answer: compiled once before submission, because a bad one would stop the whole engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xgrammar

from vlmplug.errors import OptionError

#: Compiling holds the engine up for everybody: its time grows with the square of the depth and worse.
MOST_CHARACTERS = 200_000
DEEPEST = 100

#: White space between two parts of an answer at the most: a line break and eight levels of four spaces. A model that is
#: not sure what comes next would otherwise go on with white space for ever, which JSON allows.
MOST_WHITE_SPACE = 33


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What lmdeploy is told (``GenerationConfig.response_format``); xgrammar's structural tags bound white space."""
    guided = {"type": "json_schema", "json_schema": dict(schema), "max_whitespace_cnt": MOST_WHITE_SPACE}
    return {"type": "structural_tag", "format": guided}


def check_schema(schema: Mapping[str, Any]) -> None:
    """Compiles a schema as lmdeploy will, only against single bytes instead of a vocabulary, which is fast.

    :raises OptionError: it is no JSON, no valid schema, too large, or uses what guided decoding does not know.
    """
    try:
        text = json.dumps(dict(schema), ensure_ascii=False, allow_nan=False)
        text.encode()
        _check_size(text)
        _new_compiler().compile_structural_tag(json.dumps(response_format(schema), ensure_ascii=False))
    except (TypeError, ValueError, RuntimeError) as error:  # xgrammar raises bare RuntimeErrors
        raise OptionError(
            f"json_schema cannot guide an answer: {_reason(error)}.", "Use a valid JSON schema with plain patterns."
        ) from error


def _check_size(text: str) -> None:
    depth = deepest = 0
    for character in text:
        depth += (character in "{[") - (character in "}]")
        deepest = max(deepest, depth)
    if len(text) > MOST_CHARACTERS or deepest > DEEPEST:  # brackets in strings count, which harms no real schema
        raise ValueError(f"{len(text)} characters, nested {deepest} deep; {MOST_CHARACTERS} and {DEEPEST} are allowed")


def _new_compiler() -> Any:
    """A compiler that knows nothing of earlier schemas; its cache is on because some fail only there."""
    information = xgrammar.TokenizerInfo([bytes([value]) for value in range(256)])
    return xgrammar.GrammarCompiler(information, max_threads=1)


def _reason(error: Exception) -> str:
    """What an error says, without the time and the source line that xgrammar puts in front."""
    first = next(iter(str(error).splitlines()), type(error).__name__)
    return first.split(": ", 1)[-1].rstrip(". ") if first.startswith("[") else first.rstrip(". ")
