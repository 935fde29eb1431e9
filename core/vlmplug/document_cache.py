"""The values of YAML files that were read before, kept in the user's cache folder: parsing takes longer than all the
rest of listing.

It can never be stale, because nothing is believed about files: an entry holds the text that it was made from, and is
used only where the text of the file is the same, character by character, and the code that reads YAML is the same. So
times, sizes, inodes and paths play no part. An entry that is damaged, or lies where others could write, counts as none.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zlib import crc32

from vlmplug.bounded_file import read_start
from vlmplug.document import MAX_BYTES, MAX_DEPTH, MAX_KEY, MAX_VALUES, Value, entry_key, item_key

#: Most entries that are kept; when there are more, the older half goes.
MAX_ENTRIES = 2_000

_MAX_ENTRY_BYTES = 16 * MAX_BYTES
_LAYOUT = b"1"
_READERS = ("vlmplug.composer", "yaml")


class DocumentCache:
    """The entries in one folder. A cache that is lost, or cannot be written, costs time and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trusted = False

    def __eq__(self, other: object) -> bool:
        """Two of one folder are the same."""
        return isinstance(other, DocumentCache) and other._folder == self._folder

    def __hash__(self) -> int:
        """In keeping with equality."""
        return hash(self._folder)

    def __repr__(self) -> str:
        """With the folder."""
        return f"DocumentCache({self._folder!r})"

    @cached_property
    def _reader(self) -> str:
        return _reader_mark()

    def load(self, file: Path, text: str) -> Value | None:
        """The top value of a document with this text; ``file`` is what its values say about their place."""
        if not self._is_trusted():
            return None
        try:
            reader, kept, tree = _read_entry(self._entry(text))
            return _Restorer(file).value(tree, "", 0) if (reader, kept) == (self._reader, text) else None
        except (OSError, ValueError, RecursionError):
            return None  # there is none or it is damaged; storing the document replaces it

    def store(self, text: str, value: Value) -> None:
        """Keeps a document, unless aliases make it much larger than its text, or the folder cannot be written."""
        if not self._reader or _characters(value) > MAX_BYTES:
            return
        body = json.dumps([self._reader, text, _tree(value)], separators=(",", ":")).encode()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._is_trusted():
                _write_entry(self._entry(text), _seal(body) + b"\n" + body)
                _trim(self._folder)
        except OSError:
            return

    def _is_trusted(self) -> bool:
        self._trusted = self._trusted or _belongs_to_user(self._folder)
        return self._trusted

    def _entry(self, text: str) -> Path:
        return self._folder / f"{crc32(text.encode()):08x}-{len(text)}.json"


class _Restorer:
    """Values out of the tree of an entry; whatever does not look like one is a ValueError."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._total = 0

    def value(self, node: Any, key: str, depth: int) -> Value:
        """Of ``[line, text]``, ``[line, text, 0]`` if quoted, ``[line, list]``, ``[line, mapping]``."""
        self._total += 1
        if depth > MAX_DEPTH or self._total > MAX_VALUES or len(key) > MAX_KEY:
            raise ValueError("beyond the bounds of a document")
        if type(node) is not list or not 2 <= len(node) <= 3 or type(node[0]) is not int:
            raise ValueError("not the node of a tree")
        content: Any = node[1]
        if type(content) is dict:
            content = {name: self.value(part, entry_key(key, name), depth + 1) for name, part in content.items()}
        elif type(content) is list:
            content = [self.value(part, item_key(key, number), depth + 1) for number, part in enumerate(content)]
        elif type(content) is not str:
            raise ValueError("not the content of a node")
        return Value(content, type(content) is str and len(node) == 2, self._file, node[0], key)


def _tree(value: Value) -> list[Any]:
    """The reverse of `_Restorer.value`."""
    content = value.content
    if isinstance(content, str):
        return [value.line, content] if value.plain else [value.line, content, 0]
    if isinstance(content, dict):
        return [value.line, {name: _tree(part) for name, part in content.items()}]
    return [value.line, [_tree(part) for part in content]]


def _characters(value: Value) -> int:
    """Characters of all texts below a value."""
    content = value.content
    if isinstance(content, str):
        return len(content)
    if isinstance(content, dict):
        return sum(len(name) + _characters(part) for name, part in content.items())
    return sum(map(_characters, content))


def _reader_mark() -> str:
    """A mark of the code that reads YAML, ours and PyYAML's; empty where it cannot be looked at."""
    mark = crc32(_LAYOUT)
    try:
        for module in _READERS:
            spec = find_spec(module)
            if spec is None or spec.origin is None:
                return ""
            mark = crc32(Path(spec.origin).read_bytes(), mark)
    except (OSError, ImportError, ValueError):
        return ""
    return f"{mark:08x}"


def _belongs_to_user(folder: Path) -> bool:
    """Whether a folder is there, and nobody else can write into it."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        return False
    if sys.platform == "win32":
        return True  # a user's own folders are closed to others there
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read_entry(file: Path) -> tuple[Any, Any, Any]:
    seal, _, body = read_start(file, _MAX_ENTRY_BYTES).partition(b"\n")
    if seal != _seal(body):
        raise ValueError("damaged")
    reader, text, tree = json.loads(body)
    return reader, text, tree


def _seal(body: bytes) -> bytes:
    return b"%08x" % crc32(body)


def _write_entry(file: Path, content: bytes) -> None:
    """All of it or nothing, also where several processes write the same entry."""
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile(dir=file.parent, prefix=".", suffix=".part", delete=False) as stream:
        stream.write(content)
    try:
        os.replace(stream.name, file)
    except OSError:
        os.unlink(stream.name)
        raise


def _trim(folder: Path) -> None:
    entries = list(folder.iterdir())
    if len(entries) > MAX_ENTRIES:
        for entry in sorted(entries, key=_age)[: len(entries) // 2]:
            entry.unlink(missing_ok=True)


def _age(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0
