"""A line is a command or a question; swift's words are commands where they stand alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.dialogue.entry import COMMANDS, WORDS, Command, help_text, read_entry
from vlmplug.errors import OptionError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("exit", Command("exit")),
        ("  QUIT ", Command("exit")),
        ("/quit", Command("exit")),
        ("clear", Command("clear")),
        ("/clear", Command("clear")),
        ("multi-line", Command("multi-line")),
        ("single-line", Command("single-line")),
        ("reset-system", Command("reset-system")),
        ("/save my talk.json ", Command("save", "my talk.json")),
        ("/render", Command("render")),
        ("/Model internvl2-2b", Command("model", "internvl2-2b")),
        ("clear the table", "clear the table"),
        ("save", "save"),
        ("help me", "help me"),
        ("", ""),
        ("/tmp/a.png What is it?", "/tmp/a.png What is it?"),
        ("/etc/hosts?", "/etc/hosts?"),
        ("a / b", "a / b"),
        ("/ is a slash", "/ is a slash"),
    ],
)
def test_lines(line: str, expected: Command | str) -> None:
    assert read_entry(line) == expected


def test_a_file_in_the_root_folder_is_no_command() -> None:
    name = next(entry.name for entry in Path("/").iterdir() if entry.name.isalpha() and entry.name.islower())
    assert read_entry(f"/{name} what is it") == f"/{name} what is it"


def test_a_command_that_is_none_is_not_asked() -> None:
    with pytest.raises(OptionError, match=r"There is no command /sve\. Did you mean save"):
        read_entry("/sve file")


def test_the_help_names_everything() -> None:
    told = help_text()
    for name in (*(f"/{name}" for name in COMMANDS), *WORDS):
        assert any(line.startswith(name) for line in told.splitlines()), name
