"""Values of a JSON file know their place, and say so when they are something else than expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlmplug.errors import GoldenSetError
from vlmplug.verify.json_field import Field, read_json


def field(content: Any) -> Field:
    return Field(content, "prompts.json", "cases[3].expect")


@pytest.mark.parametrize(
    ("content", "read", "expected"),
    [
        ("word", lambda f: f.text(), "word"),
        (["a", "b"], lambda f: f.texts(), ("a", "b")),
        ("inline", lambda f: f.word(("inline", "family")), "inline"),
        (True, lambda f: f.flag(), True),
        (7, lambda f: f.integer(), 7),
        (-1, lambda f: f.integer(-1), -1),
        ([1, -2], lambda f: f.integers(), (1, -2)),
        ([448, 448], lambda f: f.integers(1, 2), (448, 448)),
        (3, lambda f: f.number(), 3.0),
        (0.5, lambda f: f.numbers(), (0.5,)),
        ([0.5, 1], lambda f: f.numbers(), (0.5, 1.0)),
        ({"a": 1, "b": None}, lambda f: {k: v.content for k, v in f.fields("a", "b c").items()}, {"a": 1, "b": None}),
        (None, lambda f: f.empty, True),
    ],
)
def test_reading(content: Any, read: Callable[[Field], Any], expected: Any) -> None:
    assert read(field(content)) == expected


@pytest.mark.parametrize(
    ("content", "read", "says"),
    [
        (1, lambda f: f.text(), "expected a string, found int"),
        ({}, lambda f: f.items(), "expected a list, found dict"),
        ([], lambda f: f.members(), "expected an object, found list"),
        ("beside", lambda f: f.word(("inline", "family")), "'beside' is not one of inline, family"),
        (1, lambda f: f.flag(), "expected true or false"),
        (True, lambda f: f.integer(), "True is not a whole number"),
        (1.0, lambda f: f.integer(), "1.0 is not a whole number"),
        (0, lambda f: f.integer(1), "0 is not a whole number from 1"),
        ([1, True], lambda f: f.integers(), "not every value is a whole number"),
        ([1, -2], lambda f: f.integers(-1), "from -1"),
        ([1], lambda f: f.integers(length=2), "1 numbers where 2 were expected"),
        ("1", lambda f: f.number(), "'1' is not a number"),
        ({"a": 1, "tils": 2}, lambda f: f.fields("a", "tiles"), "unknown key 'tils'"),
        ({"a": 1}, lambda f: f.fields("a tiles"), "the key 'tiles' is missing"),
    ],
)
def test_errors_name_file_and_key(content: Any, read: Callable[[Field], Any], says: str) -> None:
    with pytest.raises(GoldenSetError) as caught:
        read(field(content))
    assert caught.value.problem.startswith("prompts.json: cases[3].expect: ")
    assert says in caught.value.problem


def test_an_unknown_key_suggests_the_nearest() -> None:
    with pytest.raises(GoldenSetError) as caught:
        field({"tils": 2}).fields("", "tiles tokens")
    assert caught.value.remedy == "Did you mean tiles?"


def test_inner_values_extend_the_key() -> None:
    top = Field({"cases": [{"id": 3}]}, "set.json")
    assert top.members()["cases"].items()[0].members()["id"].key == "cases[0].id"


@pytest.mark.parametrize(
    ("content", "says"), [(b"{", "is not JSON"), (b"\xff\xfe", "is not JSON"), (None, "cannot be read")]
)
def test_files_that_are_no_json(content: bytes | None, says: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "set.json").write_bytes(content)
    with pytest.raises(GoldenSetError, match=says):
        read_json(tmp_path, "set.json")


def test_a_file_nested_too_deep(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text("[" * 100_000)
    with pytest.raises(GoldenSetError, match="is not JSON"):
        read_json(tmp_path, "set.json")
