"""Free space, looked at before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from vlmplug.errors import DiskSpaceError


def check_space(needed: Mapping[Path, int]) -> None:
    """:param needed: bytes that will be written below each folder; those on one disk are added up.

    :raises DiskSpaceError: a disk has less than that, with the numbers.
    """
    disks: dict[int, list[Path]] = {}
    for folder in needed:
        disks.setdefault(_existing(folder).stat().st_dev, []).append(folder)
    for folders in disks.values():
        _check(folders, sum(needed[folder] for folder in folders))


def free_space(folder: Path) -> int:
    """Bytes that can be written below a folder, which need not exist."""
    return shutil.disk_usage(_existing(folder)).free


def readable(size: int) -> str:
    """Bytes as people write them: 4.41 GB, powers of ten."""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"


def _check(folders: list[Path], needed: int) -> None:
    free = free_space(folders[0])
    if needed > free:
        raise DiskSpaceError(
            f"{' and '.join(map(str, folders))}: {readable(needed)} would be written, and {readable(free)} are free.",
            f"Free {readable(needed - free)} (`vlmplug cache list` shows what can go), or move the caches: HF_HOME, "
            "MODELSCOPE_CACHE, XDG_CACHE_HOME.",
        )


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())
