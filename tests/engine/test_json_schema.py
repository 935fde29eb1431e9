"""A schema that guided decoding would fail on is refused before it reaches the engine."""

from __future__ import annotations

from typing import Any

import pytest
import xgrammar
from lmdeploy._guided_decoding import compile_response_format

from vlmplug.engine.json_schema import check_schema, response_format
from vlmplug.errors import OptionError


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]},
        {"type": "string", "pattern": "^[a-z]+$"},
        {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
        {"$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
        nested(50),
    ],
    ids=str,
)
def test_valid(schema: dict[str, Any]) -> None:
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "foo"}, 'Unsupported type "foo"'),
        ({"type": "string", "pattern": "(["}, "Unclosed"),
        ({"type": "string", "pattern": r"^(a)\1$"}, "Backreference"),
        ({"type": "string", "pattern": "a{1,1000}"}, "Check failed"),
        ({"$ref": "#/definitions/x"}, "definitions/x"),
        ({"enum": []}, "enum"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum"),
        ({"const": float("nan")}, "float values"),
        ({"title": "\ud800"}, "surrogates"),
        ({"type": object()}, "not JSON serializable"),
        (nested(101), "nested 10[0-9] deep"),
        (nested(100_000), "recursion"),
        ({"enum": ["x" * 200_001]}, "characters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid(schema: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=rf"^json_schema cannot guide an answer: .*{says}"):
        check_schema(schema)


@pytest.mark.parametrize(
    ("answer", "fits"),
    [
        ('{"a": 1}', True),
        ('{"a":1}', True),
        ('{\n    "a": 1\n}', True),
        ("{\n" + 32 * " " + '"a": 1}', True),
        ("{" + 34 * " " + '"a": 1}', False),
        ('{"a":' + 34 * "\n" + "1}", False),
        ('{"b": 1}', False),
    ],
)
def test_white_space_has_an_end(answer: str, fits: bool) -> None:
    """A model that is not sure goes on with white space, which JSON allows, for as long as it may."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo([bytes([value]) for value in range(256)]))
    matcher = xgrammar.GrammarMatcher(compile_response_format(compiler, response_format(schema)))
    assert all(map(matcher.accept_string, answer)) == fits
