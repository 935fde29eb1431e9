"""What commands write on a terminal, and what everywhere else."""

from __future__ import annotations

import io
from argparse import Namespace
from contextlib import redirect_stdout

import pytest

from tests.cli.conftest import Run
from vlmplug.cli.output import magnitude, print_facts, print_table
from vlmplug.cli.paint import has_colour
from vlmplug.table import Painted


class Terminal(io.StringIO):
    """Text that says it is shown on a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    return Terminal()


@pytest.mark.parametrize(
    ("count", "shown"),
    [(938_158_976, "938M"), (2_205_754_368, "2.21B"), (76_300_000_000, "76.3B"), (500, "500"), (1500, "1.5K")],
)
def test_magnitudes(count: int, shown: str) -> None:
    assert magnitude(count) == shown


@pytest.mark.parametrize(
    ("color", "variables", "stream", "shown"),
    [
        ("auto", {}, Terminal(), True),
        ("auto", {}, io.StringIO(), False),
        ("auto", {"NO_COLOR": "1"}, Terminal(), False),
        ("auto", {"NO_COLOR": ""}, Terminal(), True),
        ("auto", {"TERM": "dumb"}, Terminal(), False),
        ("always", {"NO_COLOR": "1"}, io.StringIO(), True),
        ("never", {}, Terminal(), False),
    ],
)
def test_when_there_are_colours(
    color: str, variables: dict[str, str], stream: io.StringIO, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_colour(Namespace(color=color), stream) is shown


ROWS = [(Painted("a", "good"), "one two three four five six seven eight")]


def test_a_terminal_gets_colours_and_lines_that_fit(terminal: Terminal) -> None:
    with redirect_stdout(terminal):
        print_table(Namespace(color="auto"), ("NAME", "WHAT"), ROWS)
    lines = terminal.getvalue().splitlines()
    assert lines[0] == "\x1b[1mNAME\x1b[0m  \x1b[1mWHAT\x1b[0m"
    assert lines[1] == "\x1b[32ma\x1b[0m     one two three four five six seven"
    assert lines[2] == "      eight"


def test_a_pipe_gets_plain_whole_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    print_table(Namespace(color="auto"), ("NAME", "WHAT"), ROWS)
    assert capsys.readouterr().out == f"NAME  WHAT\na     {ROWS[0][1]}\n"


def test_facts_line_up_and_empty_ones_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts(Namespace(color="never"), {"name": "a", "nothing": "", "licence": "MIT"})
    assert capsys.readouterr().out == "name     a\nlicence  MIT\n"


@pytest.mark.parametrize("command", [("models", "list"), ("models", "show", "tiny"), ("models", "resolve", "tiny")])
def test_colour_is_for_people(run: Run, command: tuple[str, ...]) -> None:
    assert "\x1b[" in run("--color", "always", *command).out
    assert "\x1b[" not in run("--color", "never", *command).out
    assert "\x1b[" not in run("--color", "always", *command, "--json").out
