"""How many threads PyTorch should use: as many as this process has cores to itself.

More threads than cores make every operator wait for the slowest of them, many times slower than one thread. Python's
``os.cpu_count`` counts the machine; a container, a batch system or ``taskset`` may allow far fewer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vlmplug.engine.cpu.proc import CGROUP_ROOT, read_text
from vlmplug.errors import EngineOptionError

PROCESS_CGROUPS = Path("/proc/self/cgroup")


def thread_count(requested: int | None = None) -> int:
    """Threads for one engine: the caller's number, else the cores that this process may use, at least 1.

    :raises EngineOptionError: the requested number is below 1.
    """
    if requested is None:
        return usable_cores()
    if requested < 1:
        raise EngineOptionError(f"threads={requested}: at least 1 is needed.", "Leave it out to use all free cores.")
    return requested


def usable_cores(root: Path = CGROUP_ROOT, membership: Path = PROCESS_CGROUPS) -> int:
    """Cores that this process may use: its CPU affinity, cut by the processor quota of its control groups.

    :param root: where the control groups are mounted (version 1 or 2).
    :param membership: the file that names this process's groups, one ``id:controllers:path`` a line.
    """
    cores = _affinity()
    quotas = [quota for directory in _cgroup_directories(root, membership) if (quota := _quota(directory))]
    return max(1, min(cores, *(int(quota) for quota in quotas))) if quotas else cores


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_directories(root: Path, membership: Path) -> Iterator[Path]:
    """Every folder whose quota binds this process: its own groups and all those above them."""
    yield from (root, root / "cpu", root / "cpu,cpuacct")
    for line in read_text(membership).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = Path(path.lstrip("/")).parts
        for depth in range(1, len(parts) + 1):
            yield root.joinpath(controllers, *parts[:depth])


def _quota(directory: Path) -> float | None:
    """Cores that a group may use at most (version 2: ``cpu.max``; version 1: quota and period), None without limit."""
    quota, _, period = read_text(directory / "cpu.max").strip().partition(" ")
    if not quota:
        quota = read_text(directory / "cpu.cfs_quota_us").strip()
        period = read_text(directory / "cpu.cfs_period_us").strip()
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None  # "max" in version 2, -1 in version 1
    return int(quota) / int(period)
