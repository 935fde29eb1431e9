"""Reading JSON files of a model folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlmplug.errors import CheckpointError, TokenizerError
from vlmplug.json_files import read_json, read_json_if_there


def test_an_object(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"text": "é"}', "utf-8")
    assert read_json(tmp_path / "a.json") == {"text": "é"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"{", "cannot be read"), (b"[1]", "list"), (b"\xff", "cannot be read"), (b"[" * 100_000, "cannot be read")],
    ids=["cut short", "no object", "not UTF-8", "nested too deep"],
)
def test_anything_else_is_an_error_of_the_wanted_kind(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(TokenizerError, match=problem):
        read_json(tmp_path / "a.json", TokenizerError)


def test_a_missing_file(tmp_path: Path) -> None:
    assert read_json_if_there(tmp_path / "none.json") == {}
    with pytest.raises(CheckpointError, match="missing"):
        read_json(tmp_path / "none.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
def test_a_named_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(CheckpointError, match="no regular file"):
        read_json(tmp_path / "pipe.json")
