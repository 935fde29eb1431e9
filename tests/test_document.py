"""YAML files are data, read in bounded time, and every error says where."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.plugin_maker import write_yaml
from vlmplug.document import MAX_BYTES, MAX_DEPTH, MAX_VALUES, Value, read_document
from vlmplug.errors import ManifestError


def read(tmp_path: Path, text: str) -> Value:
    return read_document(write_yaml(tmp_path / "file.yaml", text))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1.0e-6", 1e-6),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("no", "no"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("12:30", "12:30"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("2024-01-01", "2024-01-01"),
        ("9" * 30, "9" * 30),
        ("[1, a, {b: null}]", [1, "a", {"b": None}]),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(tmp_path: Path, written: str, meant: object) -> None:
    found = read(tmp_path, f"key: {written}\n").data()["key"]
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: [1, 2\n", 3, "not valid YAML"),
        ("a: 1\na: 2\n", 2, "given twice (first on line 1)"),
        ("a: !!python/object:os.system x\n", 1, "tag"),
        ("a: !mine {b: 1}\n", 1, "tag !mine"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: *nobody\n", 1, "*nobody has no &nobody before it"),
        ("a: &loop [*loop]\n", 1, "*loop has no &loop before it"),
        ("? [1, 2]\n: 3\n", 1, "a key is not a plain word"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text)
    assert caught.value.problem.startswith(f"{tmp_path / 'file.yaml'}:{line}: ")
    assert said in caught.value.problem


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError, match="is empty"):
        read(tmp_path, text)


def _bomb() -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "x" * MAX_BYTES, "larger than"),
        ("[" * 400_000, "nested deeper"),
        ("- " * 400_000, "nested deeper"),
        ("\n".join(" " * n + f"a{n}:" for n in range(1000)), "nested deeper"),
        ("{a: " * 200_000, "nested deeper"),
        (_bomb(), "aliases expanded"),
        ("a: [" + "1," * (MAX_VALUES + 1) + "]", "more than"),
    ],
    ids=["large", "brackets", "dashes", "indentation", "braces", "alias bomb", "many values"],
)
def test_hostile_files_are_refused_in_bounded_time(tmp_path: Path, text: str, said: str) -> None:
    file = write_yaml(tmp_path / "file.yaml", text)
    start = time.process_time()
    with pytest.raises(ManifestError, match=said):
        read_document(file)
    assert time.process_time() - start < 2.0


def test_the_deepest_allowed_nesting_is_read(tmp_path: Path) -> None:
    value = read(tmp_path, "[" * MAX_DEPTH + "x" + "]" * MAX_DEPTH)
    for _ in range(MAX_DEPTH):
        (value,) = value.values()
    assert value.text() == "x"


def test_an_alias_repeats_its_value_under_the_key_where_it_stands(tmp_path: Path) -> None:
    fields = read(tmp_path, "a: &one {b: 1}\nc: *one\n").entries()
    assert fields["c"].data() == {"b": 1}
    assert (fields["c"].key, fields["c"].line) == ("c", 2)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "not utf-8"])
def test_what_is_no_readable_text_file_is_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file.yaml"
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "not utf-8":
        file.write_bytes(b"a: \xff\n")
    with pytest.raises(ManifestError, match=str(file)):
        read_document(file)


@pytest.mark.parametrize(
    ("method", "text", "said"),
    [
        (
            lambda v: v.fields(("name",), ("colour",)),
            "nmae: x\n",
            "file.yaml:1: nmae: unknown key 'nmae'. Did you mean name?",
        ),
        (lambda v: v.fields(("name",)), "other: x\n", "unknown key 'other'. Valid: name."),
        (lambda v: v.fields(("name",)), "name:\n", "the key 'name' is missing"),
        (lambda v: v.entries(), "[1]\n", "expected a mapping, found a list"),
        (lambda v: v.values(), "{a: 1}\n", "expected a list, found a mapping"),
        (lambda v: v.text(), "[1]\n", "expected a text, found a list"),
        (lambda v: v.entries()["a"].text(), "a:\n", "expected a text, found nothing"),
        (lambda v: v.entries()["a"].texts(), "a: [x, [y]]\n", "a[1]: expected a text"),
        (lambda v: v.entries()["a"].word(["red", "blue"]), "a: rad\n", "'rad' is not valid here. Did you mean red?"),
        (lambda v: v.entries()["a"].integer(1, 5), "a: 6\n", "'6' is not a whole number from 1 to 5"),
        (lambda v: v.entries()["a"].integer(0, 5), "a: true\n", "'true' is not a whole number"),
        (lambda v: v.entries()["a"].integer(0, 5), "a: '1'\n", "'1' is not a whole number"),
        (lambda v: v.entries()["a"].flag(), "a: no\n", "'no' is neither true nor false"),
    ],
)
def test_reading_methods_say_what_they_expected(tmp_path: Path, method, text: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        method(read(tmp_path, text))
    assert said in str(caught.value)
