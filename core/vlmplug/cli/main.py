"""``vlmplug``: commands, and what becomes of their errors.

Exit codes: 0 all well, 1 an error or a failed verification, 2 a command that makes no sense or a broken reference set,
130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import TextIO

from vlmplug.cli import infer, models, plugins, render, verify
from vlmplug.cli.flags import Command, VersionAction
from vlmplug.errors import GoldenSetError, VlmplugError
from vlmplug.nearest import nearest

_COMMANDS: tuple[Command, ...] = (models, plugins, infer, render, verify)
_INTERRUPTED, _BROKEN_PIPE = 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    :param argv: arguments without the program's name; None: those of the process.
    :returns: the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        _never_fail_to_encode(stream)
    try:
        arguments = _parsed(sys.argv[1:] if argv is None else argv)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 2
    return _run(arguments)


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    arguments, unknown = _parser().parse_known_args(_spelled(argv))
    if unknown:
        command: argparse.ArgumentParser = arguments.command
        command.error(f"unrecognized arguments: {' '.join(unknown)}{_meant(unknown, command)}")
    return arguments


def _meant(unknown: Sequence[str], command: argparse.ArgumentParser) -> str:
    """The flags of a command that look like those that it does not have."""
    flags = re.findall(r"--[a-z][a-z-]*", command.format_help())
    near = [found for word in unknown if word.startswith("--") for found in nearest(word.partition("=")[0], flags, 1)]
    return f" (did you mean {' and '.join(near)}?)" if near else ""


def _run(arguments: argparse.Namespace) -> int:
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except VlmplugError as error:
        _report(error, arguments.debug)
        return 2 if isinstance(error, GoldenSetError) else 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return code


def _report(error: VlmplugError, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    print(f"error: {' '.join(error.problem.split())}", file=sys.stderr)
    if error.remedy:
        print(f"fix: {' '.join(error.remedy.split())}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vlmplug", description="Vision-language models on one engine.", allow_abbrev=False
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action=VersionAction, help="show the version and exit")
    parser.add_argument(
        "--registry", action="append", default=[], metavar="FILE", help="a further registry file (repeatable)"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_command(commands)
    return parser


def _spelled(arguments: Sequence[str]) -> list[str]:
    """Flags with dashes, whether they were written with dashes or underscores; what follows ``--`` is no flag."""
    spelled = list(arguments)
    end = spelled.index("--") if "--" in spelled else len(spelled)
    for place, argument in enumerate(spelled[:end]):
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            spelled[place] = name.replace("_", "-") + equals + value
    return spelled


def _never_fail_to_encode(stream: TextIO) -> None:
    """A terminal that cannot show a character gets a question mark instead of ending the program."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
