"""Lines come from a stream, or from somebody who edits them."""

from __future__ import annotations

import io
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from vlmplug.dialogue.line_source import StreamLines
from vlmplug.dialogue.terminal_lines import TerminalLines


def test_lines_of_a_stream() -> None:
    screen = io.StringIO()
    lines = StreamLines(io.StringIO("one\r\n\ntwo"), screen)
    assert [lines.read("> "), lines.read("> "), lines.read("- ")] == ["one", "", "two"]
    assert screen.getvalue() == "> > - "
    with pytest.raises(EOFError):
        lines.read("> ")


def test_whether_a_stream_begins_and_nothing_of_it_is_lost() -> None:
    lines = StreamLines(io.StringIO("\n \none\n\n"))
    assert lines.begins()
    assert [lines.read("> "), lines.read("> ")] == ["one", ""]
    assert not StreamLines(io.StringIO(" \n")).begins()


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    """What is typed."""
    with create_pipe_input() as typed, create_app_session(input=typed, output=DummyOutput()):
        yield typed


def test_history_outlasts_the_program_and_is_private(keys: PipeInput, tmp_path: Path) -> None:
    file = tmp_path / "state" / "history"
    keys.send_text("Describe it.\r")
    assert TerminalLines(file, ()).read("> ") == "Describe it."
    keys.send_text("\x1b[A\x7f!\r")  # up, backspace, !
    assert TerminalLines(file, ()).read("> ") == "Describe it!"
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_history_that_cannot_be_written_is_forgotten(keys: PipeInput, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (None, tmp_path / "file" / "history"):
        keys.send_text("Hi\r")
        assert TerminalLines(place, ()).read("> ") == "Hi"


@pytest.mark.parametrize(("typed", "read"), [("/rend\t", "/render"), ("See pic\t", "See picture.png")])
def test_the_tabulator_key(
    typed: str, read: str, keys: PipeInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picture.png").touch()
    monkeypatch.chdir(tmp_path)
    keys.send_text(typed)
    later = threading.Timer(1, keys.send_text, ["\r"])  # completions are looked for in the background
    later.start()
    assert TerminalLines(None, ("render", "model")).read("> ") == read
    later.join()


def test_several_lines_that_are_pasted_are_one(keys: PipeInput) -> None:
    keys.send_text("\x1b[200~one\ntwo\x1b[201~\r")
    assert TerminalLines(None, ()).read("> ") == "one\ntwo"


@pytest.mark.parametrize(("key", "error"), [("\x03", KeyboardInterrupt), ("\x04", EOFError)])
def test_control_keys(key: str, error: type[BaseException], keys: PipeInput) -> None:
    keys.send_text(key)
    with pytest.raises(error):
        TerminalLines(None, ()).read("> ")
