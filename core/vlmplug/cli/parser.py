"""A parser that gets its flags when it is asked something, so that only the command that runs is imported."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar, overload

_COLUMNS = 80
#: The exit code of a command that makes no sense.
NO_SENSE = 2

_Arguments = TypeVar("_Arguments")


class _Formatter(argparse.HelpFormatter):
    """The usual one. It is made for each flag, only to check the flag, and would import `shutil` to learn its width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class CommandParser(argparse.ArgumentParser):
    """The parser of one command; ``fill_with`` adds its flags, once, when it parses or explains itself."""

    fill_with: Callable[[CommandParser], None] | None = None

    def __init__(self, *, formatter_class: Any = None, **options: Any) -> None:
        super().__init__(formatter_class=formatter_class or _Formatter, **options)

    def fill(self) -> None:
        """Adds the flags now; harmless where they are there."""
        fill_with, self.fill_with = self.fill_with, None
        if fill_with is not None:
            fill_with(self)

    @overload
    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: None = None
    ) -> tuple[argparse.Namespace, list[str]]: ...

    @overload
    def parse_known_args(self, args: Iterable[str] | None, namespace: _Arguments) -> tuple[_Arguments, list[str]]: ...

    @overload
    def parse_known_args(self, *, namespace: _Arguments) -> tuple[_Arguments, list[str]]: ...

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As `argparse.ArgumentParser.parse_known_args`."""
        self.fill()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Ends the program; as every error of a command, in two lines."""
        self.fail(message, f"See `{self.prog} --help`.")

    def fail(self, problem: str, fix: str) -> NoReturn:
        """As `error`, with another way to mend it."""
        self.exit(NO_SENSE, f"error: {problem}\nfix: {fix}\n")

    def format_usage(self) -> str:
        """As `argparse.ArgumentParser.format_usage`."""
        self.fill()
        return super().format_usage()

    def format_help(self) -> str:
        """As `argparse.ArgumentParser.format_help`."""
        self.fill()
        return super().format_help()


def _columns() -> int:
    """Columns of the terminal, as `shutil.get_terminal_size` finds them."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    if sys.__stdout__ is None:
        return _COLUMNS
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or _COLUMNS
    except (ValueError, OSError):
        return _COLUMNS
