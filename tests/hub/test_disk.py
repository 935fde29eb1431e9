"""Free space is compared with what would be written, disk by disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.errors import DiskSpaceError
from vlmplug.hub.disk import check_space, free_space, readable


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (4_411_508_736, "4.41 GB"), (152_000_000_000, "152 GB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert readable(size) == text


def test_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    check_space({tmp_path / "a" / "b": 1000, tmp_path / "c": 0})
    assert not (tmp_path / "a").exists()


def test_what_goes_to_one_disk_is_added_up(tmp_path: Path) -> None:
    most = free_space(tmp_path) * 6 // 10
    check_space({tmp_path / "a": most})
    with pytest.raises(DiskSpaceError, match=r"a and .*b: .* would be written, and .* are free") as caught:
        check_space({tmp_path / "a": most, tmp_path / "b": most})
    assert "vlmplug cache list" in caught.value.remedy
