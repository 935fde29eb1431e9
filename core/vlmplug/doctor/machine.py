"""Main memory, shared memory and disks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from vlmplug.doctor.check import Check
from vlmplug.doctor.size import GIB, gib

# The smallest official checkpoints, of about one billion weights, take 2 GiB on disk and 4 GiB in float32.
_LEAST_MEMORY = 4 * GIB
_LEAST_CACHE = 10 * GIB
_LEAST_TEMPORARY = GIB
_LEAST_SHARED = GIB


def check_memory(available: int | None) -> Check:
    """:param available: bytes of main memory that can still be used; None: it cannot be told."""
    needed = f"{gib(_LEAST_MEMORY)} or more; on the CPU four bytes a weight and the cache"
    if available is None:
        return Check("main memory", "note", "unknown on this system", needed)
    if available < _LEAST_MEMORY:
        return Check("main memory", "warning", f"{gib(available)} free", needed, "End other programs, or add memory.")
    return Check("main memory", "ok", f"{gib(available)} free", needed)


def check_shared_memory(folder: Path, gpus: int) -> Iterator[Check]:
    """What several GPUs hand each other data through; containers often have little. No row for fewer than two GPUs."""
    if gpus > 1 and folder.is_dir():
        total = shutil.disk_usage(folder).total
        small = total < _LEAST_SHARED
        fix = "Start the container with --shm-size=8g or --ipc=host." if small else ""
        needed = f"{gib(_LEAST_SHARED)} or more for several GPUs"
        yield Check("shared memory", "warning" if small else "ok", gib(total), needed, fix)


def check_disks(caches: Mapping[str, Path], temporary: Path) -> Iterator[Check]:
    """A row for each folder: its free space, and whether it can be written.

    :param caches: folders in which hubs keep checkpoints, by the name of the hub; they need not exist.
    """
    for name, folder in caches.items():
        yield _disk(f"disk, {name} cache", folder, _LEAST_CACHE)
    yield _disk("disk, temporary files", temporary, _LEAST_TEMPORARY)


def _disk(subject: str, folder: Path, least: int) -> Check:
    needed = f"{gib(least)} or more"
    existing = next((place for place in (folder, *folder.parents) if place.is_dir()), None)
    if existing is None:
        return Check(subject, "warning", f"{folder} is on no disk that is there", needed, "Check the folder's path.")
    free = shutil.disk_usage(existing).free
    found = f"{gib(free)} free at {folder}"
    if not os.access(existing, os.W_OK):
        return Check(subject, "warning", f"{found}, which cannot be written", needed, "Change its permissions.")
    if free < least:
        return Check(subject, "warning", found, needed, "Free some, or move the folder to another disk.")
    return Check(subject, "ok", found, needed)
