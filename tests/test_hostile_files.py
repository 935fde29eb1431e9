"""Manifests that are made to take long or much memory: refused, or read right, in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.plugin_maker import toy_manifest, write_yaml
from vlmplug.discovery import RegistrySources
from vlmplug.errors import ManifestError
from vlmplug.manifest import read_manifest
from vlmplug.registry import load_registry

SECONDS, MEGABYTES = 3.0, 100
LINES = "\n".join

#: What is in the file, and what the error says.
REFUSED = {
    "ten megabytes": ("manifest: 1\n" + "# comment\n" * 1_000_000, "is larger than 1,000,000 bytes"),
    "ten megabytes in one text": ("a: '" + "x" * 10_000_000 + "'", "is larger than 1,000,000 bytes"),
    "deep block mappings": (LINES(" " * depth + "a:" for depth in range(1_000)), "nested deeper than"),
    "deep block lists": ("- " * 300_000 + "a", "nested deeper than"),
    "deep flow lists": ("a: " + "[" * 900_000, "nested deeper than"),
    "deep flow mappings": ("a: " + "{a: " * 200_000, "nested deeper than"),
    "deep flow lists, a line each": ("a: " + "[\n" * 400_000, "nested deeper than"),
    "a billion laughs": (
        LINES(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"])
        + LINES(["", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))]),
        "more than 50,000 values",
    ),
    "quadratic aliases": (
        f"a: &a [{', '.join(['x'] * 10_000)}]\nb: [{', '.join(['*a'] * 50_000)}]",
        "more than 50,000 values",
    ),
    "aliases of a long text": (
        f"a: &a {'x' * 9_000}\nb: [{', '.join(['*a'] * 60_000)}]",
        "more than 50,000 values",
    ),
    "very many values": (f"a: [{','.join('x' * 400_000)}]", "more than 50,000 values"),
    "very many keys": (LINES(f"k{n}: 1" for n in range(60_000)), "more than 50,000 values"),
    "a huge text": (f"a: '{'x' * 900_000}'", "a text of more than 10,000 characters"),
    "a huge folded text": ("a: >\n" + "  word\n" * 100_000, "a text of more than 10,000 characters"),
    "a huge key": (f"{'k' * 1_000}: {{a: 1}}", "keys of more than 500 characters"),
    "a huge quoted key": (f"'{'k' * 900_000}': 1", "a text of more than 10,000 characters"),
    "a huge key above many values": (f"? {'k' * 400_000}\n: [{','.join('x' * 40_000)}]", "keys of more than 500"),
    "a huge number": (f"plugin: a\nmanifest: {'9' * 9_000}", "is not a whole number"),
    "an alias of itself": ("a: &a [*a]", "*a has no &a before it"),
    "aliases of each other": ("a: &a {b: &b [*a], c: *b}", "*a has no &a before it"),
    "a merge key": ("x: &x {a: 1}\ny: {<<: *x}", "a merge key (<<) is not allowed"),
    "an empty key": ("manifest: 1\n'': 2", "an empty key is not allowed"),
    "a key that is a list": ("? [a, b]\n: 1", "a key is not a plain word"),
    "a NUL byte": ("manifest: 1\nplugin: a\0b", "1.yaml:2: not valid YAML"),
    "a control character": ("manifest: 1\n\nplugin: '\x07'", "1.yaml:3: not valid YAML"),
    "two documents": ("manifest: 1\n---\nmanifest: 1", "a second document starts here"),
    "an object of Python": ("a: !!python/object/apply:os.system [echo]", "the tag tag:yaml.org,2002:python"),
    "a tag of its own": ("a: !toy b", "the tag !toy is not allowed"),
    "many tag directives": (LINES(f"%TAG !t{n}! tag:x{n}," for n in range(5_000)) + "\n---\na: !toy b", "not allowed"),
    "a wall of quotes": ("a: " + "'" * 999_000, "a text of more than 10,000 characters"),
    "a wall of question marks": ("? " * 300_000, "a key is not a plain word"),
    "a wall of colons": (": " * 300_000, "1.yaml"),
}


@contextmanager
def bounded() -> Iterator[None]:
    """Neither long nor large; the time is that of this process, whatever else the machine does."""
    start = time.process_time()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < SECONDS
    assert peak < MEGABYTES * 1_000_000


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_made_to_harm_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = write_yaml(tmp_path / "1.yaml", text)
    with bounded(), pytest.raises(ManifestError) as caught:
        read_manifest(file, "option")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 1_500


def test_a_registry_with_hostile_manifests_keeps_working(tmp_path: Path) -> None:
    plugins: dict[str, object] = {"toy": {"manifest": "toy.yaml"}}
    write_yaml(tmp_path / "toy.yaml", toy_manifest())
    for number, (text, _) in enumerate(REFUSED.values()):
        write_yaml(tmp_path / f"{number}.yaml", text)
        plugins[f"hostile-{number}"] = {"manifest": f"{number}.yaml"}
    file = write_yaml(tmp_path / "registry.yaml", {"registry": 1, "plugins": plugins})
    registry = load_registry(RegistrySources(None, False, None, (file,)))
    assert registry.model_type("toy-1b").plugin == "toy"
    assert {record.status for record in registry.plugins.values() if record.name != "toy"} == {"broken"}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"%YAML 1.2\n---\n{text}...\n",
        lambda text: text.replace("title: Toy", "title: &t Toy").replace("template: plain", "template: *t"),
    ],
    ids=["a byte order mark", "lines of Windows", "a directive", "an alias"],
)
def test_what_is_only_unusual_is_read(tmp_path: Path, change) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes(change(yaml.safe_dump(toy_manifest())).encode())
    assert read_manifest(file, "option").families["toy"].title == "Toy"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes("manifest: 1\nplugin: {name: é}".encode(encoding))
    with pytest.raises(ManifestError, match="is not UTF-8"):
        read_manifest(file, "option")
