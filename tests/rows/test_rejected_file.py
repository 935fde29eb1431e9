"""Rows that were set aside: with their reason, as long as there are some."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlmplug.errors import MediaError, OptionError
from vlmplug.rows.rejected_file import RejectedFile
from vlmplug.rows.row import Row


def test_a_row_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "rows.rejected.jsonl"
    with RejectedFile(file) as rejected:
        assert not file.exists()
        rejected.add(Row(7, b"{\xff"), MediaError("It is broken.", "Mend it."))
        assert rejected.count == 1
    (line,) = file.read_text("utf-8").splitlines()
    told = json.loads(line)["vlmplug"]
    assert (told["line"], told["error"], told["reason"], told["fix"]) == (7, "MediaError", "It is broken.", "Mend it.")
    assert told["row"] == "{�"


def test_it_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "rows.rejected.jsonl"
    file.write_text("old")
    with RejectedFile(file):
        assert not file.exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be written"):
        RejectedFile(tmp_path)
    with RejectedFile(tmp_path / "no" / "file") as rejected, pytest.raises(OptionError, match="cannot be written"):
        rejected.add(Row(1, b"{}"), MediaError("x"))
