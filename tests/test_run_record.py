"""Records are sealed, sorted, and read back as they were written; others are refused with their reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.record_maker import run_record
from vlmplug.errors import RecordError
from vlmplug.run_record import Tally, read_run_record, write_run_record


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = run_record()
    assert read_run_record(write_run_record(record, tmp_path / "new")) == record


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    text = write_run_record(run_record(), tmp_path).read_bytes()
    assert write_run_record(run_record(), tmp_path).read_bytes() == text
    assert b"\r" not in text
    content = json.loads(text)
    assert list(content) == sorted(content)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"mode": "hooks"}, "toy-set-a.hooks.json"),
        ({"mode": "alone"}, "toy-set-a.alone.cpu-float32.json"),
        ({"mode": "cached", "device": "cuda", "dtype": "bfloat16"}, "toy-set-a.cached.cuda-bfloat16.json"),
        ({"mode": "batched", "device": "cuda", "tp": 2}, "toy-set-a.batched.cuda-float32-tp2.json"),
        ({"mode": "true shape", "subject": "toy/1b..", "device": "cuda"}, "toy-1b--.true-shape.cuda-float32.json"),
    ],
)
def test_one_name_a_subject_mode_and_place(parts: dict[str, Any], name: str) -> None:
    assert run_record(**parts).file_name == name


@pytest.mark.parametrize(
    ("tallies", "passed"),
    [
        ((Tally("tiny", "toy-1b", "prompt", 3),), True),
        ((Tally("tiny", "toy-1b", "prompt", 3, undefined=2, not_run=1),), True),
        ((Tally("tiny", "toy-1b", "prompt", 3, 1),), False),
        ((Tally("tiny", "toy-1b", "prompt", 0, undefined=2),), False),
        ((), False),
    ],
)
def test_failures_are_recorded_as_such(tallies: tuple[Tally, ...], passed: bool) -> None:
    record = replace(run_record(), tallies=tallies)
    assert json.loads(record.text())["passed"] is record.passed is passed


EDITS: tuple[Callable[[Any], object], ...] = (
    lambda c: c["tallies"][0].update(failed=0, passed=100),
    lambda c: c["run"].update(date="2030-01-01"),
    lambda c: c["plugin"]["digest"].update(code="0" * 64),
    lambda c: c.update(note="better"),
    lambda c: c.pop("digest"),
    lambda c: c.update(digest="0" * 64),
)


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_typed_in_by_hand_is_noticed(edit: Callable[[Any], object], tmp_path: Path) -> None:
    file = write_run_record(run_record(), tmp_path)
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))
    with pytest.raises(RecordError, match="was changed by hand"):
        read_run_record(file)


def test_other_white_space_and_line_ends_are_no_change(tmp_path: Path) -> None:
    file = write_run_record(run_record(), tmp_path)
    file.write_bytes(json.dumps(json.loads(file.read_text())).encode() + b"\r\n")
    assert read_run_record(file) == run_record()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"{" * 10, "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "no record of format 1"),
        (b"{}", "no record of format 1"),
        (b'{"record": 2}', "no record of format 1"),
        (b'{"record": 1}', "was changed by hand"),
        (b" " * 1_000_001, "which no record has"),
    ],
)
def test_what_is_no_record(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(RecordError, match=says):
        read_run_record(file)


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c.pop("tallies"),
        lambda c: c["tallies"][0].update(passed="3"),
        lambda c: c["tallies"][0].pop("failed"),
        lambda c: c["run"].update(date=5),
        lambda c: c["run"].update(versions=[]),
        lambda c: c["builds"]["toy-1b"].update(size=3),
        lambda c: c.update(plugin=None),
    ],
)
def test_a_sealed_file_of_another_form(edit: Callable[[Any], object], tmp_path: Path) -> None:
    """A later vlmplug may seal what this one cannot read."""
    content = json.loads(run_record().text())
    del content["digest"]
    edit(content)
    file = tmp_path / "x.json"
    sealed = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    file.write_text(json.dumps({**content, "digest": hashlib.sha256(sealed.encode()).hexdigest()}))
    with pytest.raises(RecordError, match="is no record of a run"):
        read_run_record(file)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written") as caught:
        write_run_record(run_record(), tmp_path / "file" / "inner")
    assert "--record-folder" in caught.value.remedy
