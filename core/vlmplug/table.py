"""Plain text tables: aligned columns, whatever script their text is in."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence


def display_width(text: str) -> int:
    """Columns that ``text`` takes in a terminal: wide characters two, combining and control characters none."""
    return sum(map(_character_width, text))


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """One line a row, two spaces between the columns; numbers stand right, everything else left."""
    values = [list(row) for row in rows]
    cells = [[str(cell) for cell in row] for row in values]
    widths = [max(map(display_width, column)) for column in zip(header, *cells, strict=True)]
    right = [_is_numeric(column) for column in zip(*values, strict=True)] or [False] * len(header)
    return "\n".join(_line(line, widths, right) for line in ([*header], *cells))


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        " " * (width - display_width(cell)) + cell if to_the_right else cell + " " * (width - display_width(cell))
        for cell, width, to_the_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()


def _is_numeric(column: Sequence[object]) -> bool:
    return all(isinstance(cell, int | float) or cell == "" for cell in column) and any(cell != "" for cell in column)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
