"""A schema that guided decoding would fail on is refused before it reaches the engine."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.engine.json_schema import check_schema
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
