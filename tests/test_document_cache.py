"""With a cache or without one: the same values, whatever happens to files, clocks and entries."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugin_maker import toy_manifest, write_yaml
from vlmplug import composer, document_cache
from vlmplug.document import MAX_BYTES, MAX_DEPTH, MAX_TEXT, Value, read_document
from vlmplug.document_cache import MAX_ENTRIES, DocumentCache
from vlmplug.errors import ManifestError

TEXT = "a: 1\nb:\n  - 'no'\n  - {c: null, d: [x, \"2\"]}\nbase: &base {e: 5}\nagain: *base\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_yaml(tmp_path / "file.yaml", TEXT)


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were parsed since; reading one from the cache leaves no trace here."""
    parsed: list[Path] = []
    compose = composer.compose

    def watched(file: Path, text: str) -> Value:
        parsed.append(file)
        return compose(file, text)

    monkeypatch.setattr(composer, "compose", watched)
    return parsed


def places(value: Value) -> Any:
    """Everything that a value and those below it know."""
    content: Any = value.content
    if isinstance(content, dict):
        content = {name: places(part) for name, part in content.items()}
    elif isinstance(content, list):
        content = [places(part) for part in content]
    return value.file, value.line, value.key, value.plain, content


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def test_the_second_reading_parses_nothing(file: Path, folder: Path, parses: list[Path]) -> None:
    first = read_document(file, DocumentCache(folder))
    second = read_document(file, DocumentCache(folder))
    assert parses == [file]
    assert places(first) == places(second) == places(read_document(file))


def test_places_and_errors_are_those_of_the_file_that_is_read(file: Path, folder: Path, parses: list[Path]) -> None:
    read_document(file, DocumentCache(folder))
    twin = write_yaml(file.with_name("twin.yaml"), TEXT)
    value = read_document(twin, DocumentCache(folder)).entries()["b"].values()[1].entries()["c"]
    assert parses == [file]
    assert str(value.error("wrong.")) == f"{twin}:4: b[1].c: wrong."


@pytest.mark.parametrize("change", ["a: 2\n", TEXT.replace("1", "7"), TEXT + "#\n", TEXT.replace("a:", " a:", 1)])
def test_another_text_is_read_anew_though_size_and_times_are_the_same(change: str, file: Path, folder: Path) -> None:
    read_document(file, DocumentCache(folder))
    before = file.stat()
    file.write_text(change)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert outcome(file, DocumentCache(folder)) == outcome(file, None)


def test_texts_with_one_checksum_are_told_apart(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_cache, "crc32", lambda data, start=0: 0)
    one, other = write_yaml(tmp_path / "one.yaml", "a: 1\n"), write_yaml(tmp_path / "other.yaml", "b: 2\n")
    for _ in range(2):
        assert read_document(one, DocumentCache(folder)).data() == {"a": 1}
        assert read_document(other, DocumentCache(folder)).data() == {"b": 2}
    assert len(entries(folder)) == 1


def test_code_that_reads_yaml_otherwise_makes_entries_worthless(
    file: Path, folder: Path, parses: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_document(file, DocumentCache(folder))
    (tmp_path / "another_reader.py").write_text("# reads otherwise")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(document_cache, "_READERS", ("another_reader", "yaml"))
    read_document(file, DocumentCache(folder))
    assert parses == [file, file]


def test_without_the_source_of_the_reader_nothing_is_kept(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_cache, "_READERS", ("there_is_no_such_module",))
    assert read_document(file, DocumentCache(folder)).data() == read_document(file).data()
    assert not folder.exists()


def test_a_broken_file_stays_broken_and_is_not_kept(file: Path, folder: Path) -> None:
    file.write_text("a: [1\n")
    errors = [outcome(file, DocumentCache(folder)) for _ in range(2)]
    assert errors[0] == errors[1] == outcome(file, None)
    assert not folder.exists()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "a bit": lambda content: content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
    "no JSON": lambda content: sealed("nonsense"),
    "deep JSON": lambda content: sealed("[" * 100_000),
    "another layout": lambda content: sealed("{}"),
    "not three parts": lambda content: sealed('["r", "t"]'),
    "binary": lambda content: bytes(range(256)) * 100,
    "pickle": lambda content: b"cos\nsystem\n(S'exit'\ntR.",
}


def sealed(body: str) -> bytes:
    return document_cache._seal(body.encode()) + b"\n" + body.encode()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_counts_as_none_and_is_replaced(
    damage: str, file: Path, folder: Path, parses: list[Path]
) -> None:
    expected = places(read_document(file, DocumentCache(folder)))
    (entry,) = entries(folder)
    sound = entry.read_bytes()
    entry.write_bytes(DAMAGES[damage](sound))
    assert places(read_document(file, DocumentCache(folder))) == expected
    assert entry.read_bytes() == sound
    assert len(parses) == 2


@pytest.mark.parametrize(
    "tree",
    [
        None,
        [],
        [1],
        [1, None],
        [1, 2],
        [True, "x"],
        ["1", "x"],
        [1, "x", 0, 0],
        [1, {"a": "x"}],
        [1, [[1, 3.5]]],
        [1, {"k" * 501: [1, "x"]}],
    ],
)
def test_an_entry_with_a_tree_that_is_none_counts_as_none(
    tree: Any, file: Path, folder: Path, parses: list[Path]
) -> None:
    replace_tree(file, folder, tree)
    assert read_document(file, DocumentCache(folder)).data()["a"] == 1
    assert len(parses) == 2


def test_the_bounds_of_documents_hold_for_entries(file: Path, folder: Path, parses: list[Path]) -> None:
    tree: Any = [1, "x"]
    for _ in range(MAX_DEPTH + 1):
        tree = [1, [tree]]
    replace_tree(file, folder, tree)
    read_document(file, DocumentCache(folder))
    replace_tree(file, folder, [1, [[1, "x"]] * 60_000])
    read_document(file, DocumentCache(folder))
    assert len(parses) == 4


def replace_tree(file: Path, folder: Path, tree: Any) -> None:
    import json

    folder.mkdir(mode=0o700, exist_ok=True)
    for entry in entries(folder):
        entry.unlink()
    cache = DocumentCache(folder)
    read_document(file, cache)
    (entry,) = entries(folder)
    reader, text, _ = json.loads(entry.read_bytes().partition(b"\n")[2])
    entry.write_bytes(sealed(json.dumps([reader, text, tree])))


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_folder_that_others_can_write_is_not_used(mode: int, file: Path, folder: Path, parses: list[Path]) -> None:
    read_document(file, DocumentCache(folder))
    (entry,) = entries(folder)
    before = entry.read_bytes()
    folder.chmod(mode)
    file.write_text("a: 3\n")
    for _ in range(2):
        assert read_document(file, DocumentCache(folder)).data() == {"a": 3}
    assert len(parses) == 3
    assert entries(folder) == [entry]
    assert entry.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_a_link_to_a_folder_is_not_used(file: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    folder.symlink_to(tmp_path / "real")
    read_document(file, DocumentCache(folder))
    assert not list(folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="owners of POSIX")
def test_a_folder_of_somebody_else_is_not_used(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    read_document(file, DocumentCache(folder))
    assert not list(folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_the_folder_and_its_entries_are_for_the_user_alone(file: Path, folder: Path) -> None:
    read_document(file, DocumentCache(folder))
    (entry,) = entries(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600


@pytest.mark.parametrize("blocked", ["a file is in its place", "its parent is a file"])
def test_a_folder_that_cannot_be_made_costs_only_time(blocked: str, file: Path, folder: Path) -> None:
    if blocked == "its parent is a file":
        folder = folder / "inner"
        folder.parent.write_text("")
    else:
        folder.write_text("")
    assert read_document(file, DocumentCache(folder)).data() == read_document(file).data()


def test_a_write_that_fails_leaves_nothing_behind(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert read_document(file, DocumentCache(folder)).data() == read_document(file).data()
    assert not list(folder.iterdir())


def test_what_aliases_blow_up_is_not_kept(tmp_path: Path, folder: Path) -> None:
    aliases = MAX_BYTES // MAX_TEXT
    file = write_yaml(tmp_path / "large.yaml", f"a: &a {'x' * MAX_TEXT}\nb: [{'*a, ' * aliases}]\n")
    assert len(read_document(file, DocumentCache(folder)).data()["b"]) == aliases
    assert not entries(folder)


def test_old_entries_go_when_there_are_many(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_cache, "MAX_ENTRIES", 10)
    for number in range(10):
        file.write_text(f"a: {number}\n")
        read_document(file, DocumentCache(folder))
        os.utime(sorted(entries(folder), key=os.path.getmtime)[-1], (number, number))
    assert len(entries(folder)) == 10
    file.write_text("a: 10\n")
    read_document(file, DocumentCache(folder))
    assert len(entries(folder)) == 6
    assert read_document(file, DocumentCache(folder)).data() == {"a": 10}
    assert MAX_ENTRIES >= 1_000


def test_many_writers_and_readers_at_once(tmp_path: Path, folder: Path) -> None:
    texts = [f"a: {number}\nb: [{', '.join(map(str, range(200)))}]\n" for number in range(4)]
    files = [write_yaml(tmp_path / f"{number}.yaml", text) for number, text in enumerate(texts)]
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(20):
            for number, file in enumerate(files):
                found = read_document(file, DocumentCache(folder)).data()["a"]
                wrong.extend([found] if found != number else [])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(entries(folder)) == len(list(folder.iterdir())) == len(files)


_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["~", "1e3", "é你"]))
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60)
@given(tree=_TREES, style=st.sampled_from([None, True, False]))
def test_any_document_is_the_same_from_the_cache(tree: Any, style: bool | None, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("any")
    file = write_yaml(folder / "any.yaml", yaml.safe_dump(tree, default_flow_style=style))
    plain = outcome(file, None)
    assert outcome(file, DocumentCache(folder / "cache")) == plain
    assert outcome(file, DocumentCache(folder / "cache")) == plain


def outcome(file: Path, cache: DocumentCache | None) -> Any:
    """All values with their places, or the error."""
    try:
        return places(read_document(file, cache))
    except ManifestError as error:
        return str(error)


def test_a_manifest_is_the_same_from_the_cache(tmp_path: Path, folder: Path, parses: list[Path]) -> None:
    file = write_yaml(tmp_path / "manifest.yaml", toy_manifest())
    values = [places(read_document(file, cache)) for cache in (None, DocumentCache(folder), DocumentCache(folder))]
    assert values[0] == values[1] == values[2]
    assert len(parses) == 2
