"""Plugins of installed distributions, by their entry points. Nothing is imported and nothing is remembered.

`importlib.metadata` would say the same, but importing it alone takes several times as long as looking at all metadata
folders on ``sys.path`` afresh; and one distribution with a broken ``entry_points.txt`` would take all others with it.
It is asked where distributions may lie elsewhere than in such folders: in archives, or wherever a foreign finder looks.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from typing import NamedTuple

from vlmplug.bounded_file import read_start

GROUP = "vlmplug.plugins"

_ENDINGS = (".dist-info", ".egg-info")
#: Bytes of a file of metadata that are read; name and version stand at its start.
_MOST_BYTES = 1_000_000


class InstalledPlugin(NamedTuple):
    """One entry point.

    - ``package``: the package it names, which holds the manifest; empty where the entry point is broken.
    - ``distribution``, ``version``: who installed it; None: its metadata do not say.
    """

    name: str
    package: str
    distribution: str | None
    version: str | None


class _NotAFolderError(Exception):
    """Something on ``sys.path`` is a file."""


def installed_plugins() -> list[InstalledPlugin]:
    """All of them, by name. Of several distributions with one name the first on ``sys.path`` counts."""
    return sorted(_found(), key=lambda plugin: (plugin.name, plugin.distribution or ""))


def _found() -> list[InstalledPlugin]:
    if not any(map(_finds_distributions, sys.meta_path)):
        try:
            return list(_scan(sys.path))
        except _NotAFolderError:
            pass
    return list(_ask_importlib())


def _finds_distributions(finder: object) -> bool:
    """Whether it is a finder of distributions other than Python's own."""
    return finder is not PathFinder and hasattr(finder, "find_distributions")


def _scan(path: Iterable[str]) -> Iterator[InstalledPlugin]:
    seen: set[str] = set()
    for root in path:
        for name, folder in _metadata_folders(root):
            if name not in seen:
                seen.add(name)
                yield from _plugins_of(folder)


def _metadata_folders(root: str) -> Iterator[tuple[str, str]]:
    """Normalised names of distributions, and their folders, in the order of the file system."""
    egg = os.path.basename(root).lower().endswith(".egg")
    for child in _children(root):
        if child.lower().endswith(_ENDINGS):
            yield _normalised(child.rpartition(".")[0].partition("-")[0]), os.path.join(root, child)
        elif egg and child.lower() == "egg-info":
            yield _normalised(os.path.basename(root).partition("-")[0]), os.path.join(root, child)


def _children(root: str) -> list[str]:
    try:
        return os.listdir(root or ".")
    except NotADirectoryError as error:
        raise _NotAFolderError(root) from error
    except OSError:
        return []  # Python skips what is not there, too


def _plugins_of(folder: str) -> Iterator[InstalledPlugin]:
    points = list(_points(_read(os.path.join(folder, "entry_points.txt"))))
    if points:
        metadata = _read(os.path.join(folder, "METADATA")) or _read(os.path.join(folder, "PKG-INFO"))
        distribution, version = _header(metadata, "name"), _header(metadata, "version")
        for name, package in points:
            yield InstalledPlugin(name, package, distribution, version)


def _read(file: str) -> str:
    try:
        return read_start(file, _MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _points(text: str) -> Iterator[tuple[str, str]]:
    """Names and packages of our group."""
    if GROUP not in text:
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line.strip("[]")
        elif line and not line.startswith("#") and section == GROUP:
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].partition(":")[0].strip()


def _header(metadata: str, name: str) -> str | None:
    """The first header of that name; headers end at the first empty line."""
    for line in metadata.splitlines():
        if not line:
            return None
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip() or None
    return None


def _ask_importlib() -> Iterator[InstalledPlugin]:
    from importlib.metadata import distributions

    seen: set[str] = set()
    for distribution in distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.version
            points = list(_points(distribution.read_text("entry_points.txt") or ""))
        except (OSError, ValueError, KeyError):
            continue  # a distribution whose metadata cannot be read
        key = _normalised(name or "")
        if key not in seen:
            seen.update({key} - {""})
            yield from (InstalledPlugin(point, package, name, version) for point, package in points)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
