"""Digests of folders and plugins, for saying whether something has changed since it was tried.

They depend on what files hold, not on how a checkout or a wheel carries them: line endings, compiled Python, hidden
files and weights do not count.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Folder beside a manifest with the records of runs; what they say about a plugin is no part of it.
RECORDS = "verified"

_PASSED_OVER = ("__pycache__", RECORDS)
_PASSED_OVER_SUFFIXES = (".pyc", ".pyo", ".safetensors")


@dataclass(frozen=True)
class PluginDigest:
    """SHA-256, in hexadecimal, of a plugin's ``code`` (data files of its package included) and of its ``manifest``."""

    code: str
    manifest: str


def plugin_digest(manifest: Path, hooks: str | None) -> PluginDigest:
    """What a plugin is made of, found without importing it.

    :param hooks: import path of its hooks; None: the plugin has no code.
    :raises OSError: a file cannot be read.
    """
    code = {name: file for name, file in _code_files(hooks).items() if file.name != manifest.name}
    return PluginDigest(files_digest(code), files_digest({manifest.name: manifest}))


def folder_files(folder: Path) -> dict[str, Path]:
    """The files of a folder that count, by their path inside of it with slashes."""
    found = {file.relative_to(folder): file for file in folder.rglob("*") if file.suffix not in _PASSED_OVER_SUFFIXES}
    return {name.as_posix(): file for name, file in found.items() if not _is_passed_over(name) and file.is_file()}


def files_digest(files: Mapping[str, Path]) -> str:
    """SHA-256, in hexadecimal, of names and contents; the same for LF and CRLF line ends.

    :raises OSError: a file cannot be read.
    """
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{hashlib.sha256(_content(files[name])).hexdigest()}\n".encode())
    return total.hexdigest()


def _content(file: Path) -> bytes:
    content = file.read_bytes()
    return content if b"\0" in content else content.replace(b"\r\n", b"\n")


def _is_passed_over(name: Path) -> bool:
    return any(part.startswith(".") or part in _PASSED_OVER for part in name.parts)


def _code_files(hooks: str | None) -> dict[str, Path]:
    """The files of the package (or the one module) that holds the hooks."""
    if hooks is None:
        return {}
    try:
        spec = importlib.util.find_spec(hooks.partition(":")[0].partition(".")[0])
    except (ImportError, ValueError):
        return {}
    if spec is None:
        return {}
    if spec.submodule_search_locations:
        return folder_files(Path(next(iter(spec.submodule_search_locations))))
    return {Path(spec.origin).name: Path(spec.origin)} if spec.origin and spec.has_location else {}
