"""Tables line up, whatever script their text is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.table import display_width, format_table


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("书生", 4), ("a书b", 4), ("é", 1), ("e\u0301", 1), ("ｆ", 2), ("\u200b", 0)],
)
def test_width(text: str, width: int) -> None:
    assert display_width(text) == width


def test_numbers_stand_right_and_text_left() -> None:
    assert format_table(("NAME", "COUNT", "NOTE"), [("书生", 7, "x"), ("abcdef", 120, "")]) == (
        "NAME    COUNT  NOTE\n书生        7  x\nabcdef    120"
    )


def test_a_number_that_is_missing_leaves_the_column_right() -> None:
    assert format_table(("A", "B"), [(1, "x"), ("", "y")]).splitlines() == ["A  B", "1  x", "   y"]


def test_no_rows() -> None:
    assert format_table(("A", "BC"), []) == "A  BC"


CELLS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp", "Zs")), max_size=9)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_second_columns_begin_at_the_same_place(rows: list[tuple[str, str]]) -> None:
    rows = [(first, f"|{second}") for first, second in rows]
    lines = format_table(("head", "|x"), rows).splitlines()
    begins = {display_width(line[: line.rindex(second)]) for line, (_, second) in zip(lines[1:], rows, strict=True)}
    assert len(begins) == 1
