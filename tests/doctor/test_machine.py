"""Main memory, shared memory and disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.doctor import machine

GIB = 1 << 30


@pytest.mark.parametrize(("available", "status"), [(None, "note"), (3 * GIB, "warning"), (16 * GIB, "ok")])
def test_main_memory(available: int | None, status: str) -> None:
    assert machine.check_memory(available).status == status


def test_shared_memory_matters_to_several_gpus(tmp_path: Path) -> None:
    assert not list(machine.check_shared_memory(tmp_path, 0))
    assert not list(machine.check_shared_memory(tmp_path, 1))
    assert not list(machine.check_shared_memory(tmp_path / "none", 4))
    (row,) = machine.check_shared_memory(tmp_path, 4)
    assert row.found.endswith("GiB")


def test_folders_need_not_exist_yet(tmp_path: Path) -> None:
    cache, temporary = machine.check_disks({"Hub": tmp_path / "not" / "yet"}, tmp_path)
    assert cache.subject == "disk, Hub cache"
    assert f"free at {tmp_path / 'not' / 'yet'}" in cache.found
    assert temporary.status == "ok"


def test_a_folder_below_a_file_is_looked_for_above_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache, _ = machine.check_disks({"Hub": tmp_path / "file" / "inner"}, tmp_path)
    assert "free at" in cache.found
