"""The number of threads is the number of cores that the process may really use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlmplug.engine.cpu import threads
from vlmplug.engine.cpu.threads import thread_count, usable_cores
from vlmplug.errors import EngineOptionError

AFFINITY = 8

CASES = {
    "no control groups": ("", {}, 8),
    "version 2, no limit": ("0::/app\n", {"app/cpu.max": "max 100000\n"}, 8),
    "version 2, own group": ("0::/app\n", {"app/cpu.max": "200000 100000\n"}, 2),
    "version 2, root of a container": ("0::/\n", {"cpu.max": "300000 100000\n"}, 3),
    "version 2, a parent is tighter": ("0::/a/b\n", {"a/cpu.max": "150000 50000\n", "a/b/cpu.max": "max 100000\n"}, 3),
    "version 2, part of a core": ("0::/app\n", {"app/cpu.max": "50000 100000\n"}, 1),
    "version 2, a core and a half": ("0::/app\n", {"app/cpu.max": "150000 100000\n"}, 1),
    "version 2, more than there are": ("0::/app\n", {"app/cpu.max": "6400000 100000\n"}, 8),
    "version 1, own group": (
        "4:cpu,cpuacct:/app\n3:memory:/app\n",
        {"cpu,cpuacct/app/cpu.cfs_quota_us": "400000\n", "cpu,cpuacct/app/cpu.cfs_period_us": "100000\n"},
        4,
    ),
    "version 1, no limit": (
        "4:cpu:/app\n",
        {"cpu/app/cpu.cfs_quota_us": "-1\n", "cpu/app/cpu.cfs_period_us": "100000\n"},
        8,
    ),
    "version 1, mounted at the group": (
        "4:cpu:/app\n",
        {"cpu/cpu.cfs_quota_us": "500000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        5,
    ),
    "version 1, a group of another controller": (
        "3:memory:/app\n",
        {"memory/app/cpu.cfs_quota_us": "100000\n", "memory/app/cpu.cfs_period_us": "100000\n"},
        8,
    ),
    "unreadable numbers": ("0::/app\n", {"app/cpu.max": "many few\n"}, 8),
    "a period of 0": ("0::/app\n", {"app/cpu.max": "100000 0\n"}, 8),
}


@pytest.mark.parametrize(("groups", "files", "cores"), CASES.values(), ids=CASES)
def test_usable_cores(
    groups: str, files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(AFFINITY)), raising=False)
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text(groups)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert usable_cores(root, membership) == cores


@pytest.mark.parametrize(("count", "cores"), [(6, 6), (None, 1)])
def test_where_there_is_no_affinity(
    count: int | None, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert usable_cores(tmp_path, tmp_path / "none") == cores


def test_this_machine_has_at_least_one_core() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("requested", "count"), [(None, 5), (1, 1), (64, 64)])
def test_the_caller_decides(requested: int | None, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 5)
    assert thread_count(requested) == count


@pytest.mark.parametrize("requested", [0, -3])
def test_less_than_one_is_refused(requested: int) -> None:
    with pytest.raises(EngineOptionError, match=f"threads={requested}"):
        thread_count(requested)
