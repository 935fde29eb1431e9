"""The commands of the program. The module of a command is imported when it runs, and not before.

Such a module has one function, ``add_flags(parser)``. It sets the default ``run``, which takes the parsed arguments
and returns the exit code.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from vlmplug.cli.flags import Commands, VersionAction, add_hidden_program_flags, add_program_flags
from vlmplug.cli.parser import CommandParser


class CommandEntry(NamedTuple):
    """One command: its name, the module with its flags, and what ``--help`` says."""

    name: str
    module: str
    help: str


COMMANDS = (
    CommandEntry("models", "vlmplug.cli.models", "list model types, or show one"),
    CommandEntry("plugins", "vlmplug.cli.plugins", "list plugins, with what is wrong with them"),
    CommandEntry("infer", "vlmplug.cli.infer", "ask a model about pictures and clips"),
    CommandEntry("render", "vlmplug.cli.render", "show the exact prompt of a question; needs no weights"),
    CommandEntry("verify", "vlmplug.cli.verify", "compare plugins with a reference set of format 1"),
    CommandEntry("bench", "vlmplug.cli.bench", "measure how fast a model answers on this machine"),
    CommandEntry("cache", "vlmplug.cli.cache", "list downloads and conversions that are kept, or delete them"),
    CommandEntry("completion", "vlmplug.cli.completion", "print the completion script of a shell"),
)


class CommandModule(Protocol):
    """The module of a command."""

    @property
    def add_flags(self) -> Callable[[CommandParser], None]:
        """Fills its parser."""


def program_parser() -> CommandParser:
    """The parser of the program; those of its commands are filled when they are asked something."""
    parser = CommandParser(prog="vlmplug", description="Vision-language models on one engine.", allow_abbrev=False)
    add_program_flags(parser)
    parser.add_argument("--version", action=VersionAction, help="show the version and exit")
    add_entries(parser.add_subparsers(title="commands", metavar="COMMAND", required=True), COMMANDS)
    return parser


def full_parser() -> CommandParser:
    """The parser of the program with all commands and actions filled, for those who want to look at them."""
    parser = program_parser()
    _fill_below(parser)
    return parser


def add_entries(commands: Commands, entries: Iterable[CommandEntry]) -> None:
    """Adds commands (or actions of a command) whose modules are imported when they are needed."""
    for entry in entries:
        parser = commands.add_parser(entry.name, help=entry.help, description=entry.help, allow_abbrev=False)
        parser.fill_with = partial(_fill, entry.module)


def _fill(module: str, parser: CommandParser) -> None:
    parser.set_defaults(command=parser)
    add_hidden_program_flags(parser)
    cast(CommandModule, import_module(module)).add_flags(parser)


def _fill_below(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                inner.fill()
                _fill_below(inner)
