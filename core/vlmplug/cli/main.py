"""``vlmplug``: commands, and what becomes of their errors.

Exit codes: 0 all well, 1 an error or a failed verification, 2 a command that makes no sense or a broken reference set,
130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from vlmplug.cli.commands import program_parser
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import GoldenSetError, VlmplugError

#: Objects that are made before the first look for garbage; Python's 700 take a tenth of the time of a short command.
_OBJECTS = 100_000
_INTERRUPTED, _BROKEN_PIPE = 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    :param argv: arguments without the program's name; None: those of the process.
    :returns: the exit code.
    """
    if argv is None:
        return _program()
    for stream in (sys.stdout, sys.stderr):
        _never_fail_to_encode(stream)
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    try:
        arguments = _parsed(argv)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 2
    return _run(arguments)


def _complete() -> None:
    """Answers a shell that wants to know how a line may go on; the process ends with the answer."""
    from vlmplug.cli.commands import full_parser
    from vlmplug.cli.completion import complete

    complete(full_parser())


def _program() -> int:
    """As a program, whose end is near when a command has run: leaving its objects alone then makes it end sooner."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed by whoever started the program
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    code = main(sys.argv[1:])
    gc.freeze()
    return code


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    arguments, unknown = program_parser().parse_known_args(_spelled(argv))
    arguments.argv = tuple(argv)
    if unknown:
        command: CommandParser = arguments.command
        command.fail(f"unrecognized arguments: {' '.join(unknown)}", _meant(unknown, command))
    return arguments


def _meant(unknown: Sequence[str], command: CommandParser) -> str:
    """The remedy: the flags of a command that look like those that it does not have."""
    import re

    from vlmplug.nearest import nearest

    flags = re.findall(r"--[a-z][a-z-]*", command.format_help() + program_parser().format_help())
    if any(word.partition("=")[0] in flags for word in unknown):
        return "Write flags in front of --; what follows it is text."
    near = [found for word in unknown if word.startswith("--") for found in nearest(word.partition("=")[0], flags, 1)]
    return f"Did you mean {' and '.join(near)}?" if near else f"See `{command.prog} --help`."


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
        import traceback

        traceback.print_exception(error)
    from vlmplug.cli.output import print_error

    print_error(error)


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
