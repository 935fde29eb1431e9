"""What commands write: data to the standard output, remarks to the standard error."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vlmplug.cli.paint import has_colour, paint, plain
from vlmplug.errors import VlmplugError
from vlmplug.table import Paint, format_table, without_spare

#: Columns of a terminal that does not say how many it has.
_COLUMNS = 80


def print_json(data: Any) -> None:
    """One JSON document."""
    print(json.dumps(data, ensure_ascii=False, indent=2))


def print_table(
    arguments: argparse.Namespace, header: Sequence[str], rows: Iterable[Sequence[object]], spare: Sequence[str] = ()
) -> None:
    """A table: as wide as the terminal and in colours there, plain and in full length everywhere else.

    :param spare: columns that are left out, from the first, where the terminal is too narrow for all.
    """
    painter, width = painter_of(arguments), terminal_width()
    if width is not None:
        header, rows = without_spare(header, rows, width, spare)
    print(format_table(header, rows, width, None if painter is plain else painter))


def print_facts(arguments: argparse.Namespace, facts: Mapping[str, str]) -> None:
    """One line a fact, its name in front; facts that are empty are left out."""
    painter = painter_of(arguments)
    told = {name: fact for name, fact in facts.items() if fact}
    width = max(map(len, told), default=0)
    for name, fact in told.items():
        print(f"{painter(name, 'dim')}{' ' * (width - len(name))}  {fact}")


def painter_of(arguments: argparse.Namespace) -> Paint:
    """How the standard output shows styles."""
    return paint if has_colour(arguments, sys.stdout) else plain


def terminal_width() -> int | None:
    """Columns of the terminal that the standard output is; None where it is none."""
    if not sys.stdout.isatty():
        return None
    from shutil import get_terminal_size

    return get_terminal_size((_COLUMNS, 24)).columns


def remark(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, file=sys.stderr)


def print_error(error: VlmplugError) -> None:
    """One line with what is wrong, and one with how to mend it, if there is a way."""
    remark(f"error: {' '.join(error.problem.split())}")
    if error.remedy:
        remark(f"fix: {' '.join(error.remedy.split())}")


def magnitude(count: int) -> str:
    """A large number with three digits: 938M, 2.21B, 76.3B."""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)
