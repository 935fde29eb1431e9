"""The start of a file is read, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.bounded_file import read_start

SIZE = 200_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(250)) * (SIZE // 250))
    return path


@pytest.mark.parametrize("most", [0, 1, 65_535, 65_536, 65_537, SIZE - 1, SIZE, SIZE + 1, 10 * SIZE])
def test_at_most_so_many_bytes(most: int, file: Path) -> None:
    assert read_start(file, most) == file.read_bytes()[:most]


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_start(str(tmp_path / "file"), 10) == b""


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(OSError):
            read_start(path, 10)
