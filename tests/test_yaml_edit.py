"""One value of a YAML document changes, and the rest of its text stays as it was."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.yaml_edit import Layout, written

NAME = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="-_."), min_size=1, max_size=8)


@given(NAME)
def test_a_text_is_read_back_as_a_text(text: str) -> None:
    assert yaml.safe_load(f"key: {written(text)}") == {"key": text}


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ("a: 1\nb: 2\n", ["b"], "a: 1\nb: x\n"),
        ("a: 1\nb: 2\n", ["c"], "a: 1\nc: x\nb: 2\n"),
        ("b: 2\na: 1\n", ["c", "d"], "b: 2\na: 1\nc: {d: x}\n"),
        ("a: 1\n", ["c", "d", "e", "f"], "a: 1\nc:\n  d:\n    e: {f: x}\n"),
        ("a: 1\nb:\n  c:\n  - 1  # i\n  - 2\n#\n", ["b", "d"], "a: 1\nb:\n  c:\n  - 1  # i\n  - 2\n  d: x\n#\n"),
        ("a: 1\nb:\n    c: [1,\n      2]\n", ["b", "d"], "a: 1\nb:\n    c: [1,\n      2]\n    d: x\n"),
        ("a: 1\nb: {c: 3}\n", ["b", "c"], "a: 1\nb: {c: x}\n"),
        ("{a: 1, b: {}}", ["b", "c"], "{a: 1, b: {c: x}}"),
    ],
)
def test_values_and_the_keys_above_them(before: str, path: list[str], after: str) -> None:
    assert Layout(before, "a").with_value(path, "x") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: 1\nb: 2  # two\nc: 3\n", "a: 1\nc: 3\n"),
        ("a: 1\nb:\n  d: 2\n  # of d\nc: 3\n", "a: 1\n  # of d\nc: 3\n"),
        ("{a: 1, b: 2}", "{a: 1}"),
        ("a: 1\n", "a: 1\n"),
    ],
)
def test_a_key_that_is_taken_out(before: str, after: str) -> None:
    assert Layout(before, "a").without("b") == after
