"""The table of commands: each has a module, and none is imported before it runs."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Run
from vlmplug.cli.commands import COMMANDS, CommandEntry, add_entries, full_parser, program_parser
from vlmplug.cli.parser import CommandParser


def parsers_below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """All parsers of commands and actions."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield inner
                yield from parsers_below(inner)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_each_command_explains_itself(entry: CommandEntry, run: Run) -> None:
    ran = run(entry.name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"usage: vlmplug {entry.name} ")
    assert entry.help.split()[0] in ran.out


def test_help_lists_all_commands(run: Run) -> None:
    words = run("--help").out.split()
    assert [entry.name for entry in COMMANDS if entry.name not in words] == []


def test_everything_that_can_be_run_says_so() -> None:
    for parser in parsers_below(full_parser()):
        has_actions = any(isinstance(action, argparse._SubParsersAction) for action in parser._actions)
        assert has_actions != (parser.get_default("run") is not None), parser.prog
        assert parser.get_default("command") is parser


def test_the_full_parser_parses_what_the_lazy_one_does() -> None:
    for line in (["models", "list", "--json"], ["--strict", "plugins", "list"], ["infer", "--image", "a.png", "b"]):
        lazy, full = vars(program_parser().parse_args(line)), vars(full_parser().parse_args(line))
        assert {**lazy, "command": lazy["command"].prog} == {**full, "command": full["command"].prog}


def test_a_parser_is_filled_once_and_only_when_it_is_asked() -> None:
    filled: list[str] = []
    parser = CommandParser(prog="p")
    parser.fill_with = lambda own: filled.append(own.prog)
    assert filled == []
    parser.parse_known_args([])
    parser.format_help()
    parser.format_usage()
    parser.fill()
    assert filled == ["p"]


def test_actions_may_be_as_lazy_as_commands() -> None:
    parser = CommandParser(prog="p")
    entries = (CommandEntry("here", "vlmplug.cli.render", "is here"), CommandEntry("gone", "vlmplug.cli.no", "is not"))
    add_entries(parser.add_subparsers(title="actions", required=True), entries)
    assert parser.parse_args(["here", "question"]).question == "question"
    with pytest.raises(ModuleNotFoundError):
        parser.parse_args(["gone"])


def test_building_the_parser_imports_no_command() -> None:
    program = """if True:
        import sys
        from vlmplug.cli.commands import COMMANDS, program_parser
        program_parser().format_help()
        sys.exit(str([entry.module for entry in COMMANDS if entry.module in sys.modules] or 0))
        """
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == "0"


@pytest.mark.parametrize(("columns", "longest"), [("72", 70), ("100", 98), ("", 78), ("none", 78), ("0", 78)])
def test_help_is_as_wide_as_the_terminal(columns: str, longest: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    widest = max(map(len, run("infer", "--help").out.splitlines()))
    assert longest - 15 < widest <= longest
