"""Plain text tables: aligned columns, whatever script their text is in, as wide as a terminal where one is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import TypeAlias

#: Text and the name of a style -> the text in that style; see `vlmplug.cli.paint`.
Paint: TypeAlias = Callable[[str, str], str]

_GAP = "  "
#: Columns that a column keeps where a table is made narrower.
_LEAST = 10


class Painted(str):
    """The text of a cell that is shown in a style where there are styles."""

    style: str

    def __new__(cls, text: str, style: str) -> Painted:
        """``text`` in ``style``."""
        painted = super().__new__(cls, text)
        painted.style = style
        return painted


def display_width(text: str) -> int:
    """Columns that ``text`` takes in a terminal: wide characters two, combining and control characters none."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(map(_character_width, text))


def format_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None, paint: Paint | None = None
) -> str:
    """One line a row, two spaces between the columns; numbers stand right, everything else left.

    :param width: columns of the terminal; wider cells go on in a further line, or end in ``…``. None: as wide as it is.
    :param paint: how `Painted` cells, and the header (in style ``header``), get their style; None: plain.
    """
    values = [list(row) for row in rows]
    cells: list[list[str]] = [[Painted(name, "header") for name in header]]
    cells += [[_text(cell) for cell in row] for row in values]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    right = [_is_numeric(column) for column in zip(*values, strict=True)] or [False] * len(header)
    if width is not None:
        widths = _fitted(widths, width)
    return "\n".join(_line(line, widths, right, paint) for row in cells for line in _lines(row, widths))


def without_spare(
    header: Sequence[str], rows: Iterable[Sequence[object]], width: int, spare: Sequence[str]
) -> tuple[list[str], list[list[object]]]:
    """Header and rows without the columns called ``spare``, as many of them, from the first, as it takes to fit."""
    columns = list(zip(header, *rows, strict=True))
    widths = {str(column[0]): max(display_width(_text(cell)) for cell in column) for column in columns}
    for name in spare:
        if sum(widths.values()) + len(_GAP) * (len(widths) - 1) > width:
            widths.pop(name, None)
    kept = [column for column in columns if column[0] in widths]
    return list(widths), [list(row) for row in zip(*(column[1:] for column in kept), strict=True)]


def _text(cell: object) -> str:
    return cell if isinstance(cell, str) else str(cell)


def _fitted(widths: Sequence[int], width: int) -> list[int]:
    """The widths, with the widest columns made narrower until they fit; the first keeps its own."""
    fitted = list(widths)
    while sum(fitted) + len(_GAP) * (len(fitted) - 1) > width:
        widest = max(range(len(fitted)), key=lambda place: fitted[place] if place else 0)
        if widest == 0 or fitted[widest] <= _LEAST:
            break
        fitted[widest] -= 1
    return fitted


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterable[tuple[str, ...]]:
    """The lines that a row takes: its cells, folded."""
    return zip_longest(*(_folded(cell, width) for cell, width in zip(row, widths, strict=True)), fillvalue="")


def _folded(cell: str, width: int) -> list[str]:
    if display_width(cell) <= width:
        return [cell]
    lines = [""]
    for word in (_cut(word, width) for word in cell.split()):
        longer = f"{lines[-1]} {word}".lstrip()
        lines = [*lines[:-1], longer] if display_width(longer) <= width else [*lines, word]
    return [Painted(line, cell.style) for line in lines] if isinstance(cell, Painted) else lines


def _cut(word: str, width: int) -> str:
    if display_width(word) <= width:
        return word
    while word and display_width(word) >= width:
        word = word[:-1]
    return f"{word}…"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], paint: Paint | None) -> str:
    line = ""
    for place, (cell, width, to_the_right) in enumerate(zip(cells, widths, right, strict=True)):
        space = " " * (width - display_width(cell))
        gap = _GAP if place else ""
        styled = paint(cell, cell.style) if paint is not None and isinstance(cell, Painted) else str(cell)
        line += f"{gap}{space}{styled}" if to_the_right else f"{gap}{styled}{space}"
    return line.rstrip()


def _is_numeric(column: Sequence[object]) -> bool:
    return all(isinstance(cell, int | float) or cell == "" for cell in column) and any(cell != "" for cell in column)


def _character_width(character: str) -> int:
    import unicodedata  # most tables are without such text, and have to be fast

    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
