"""Tables line up, whatever script their text is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.table import Painted, display_width, format_table, without_spare


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


LONG = [("internvl2-2b", "a tower and a language model", "OpenGVLab/Mini-InternVL-Chat-2B-V1-5")]


def test_a_narrow_table_folds_its_widest_columns_and_keeps_the_first() -> None:
    assert format_table(("NAME", "WHAT", "HUB"), LONG, 50).splitlines() == [
        "NAME          WHAT               HUB",
        "internvl2-2b  a tower and a      OpenGVLab/Mini-I…",
        "              language model",
    ]


def test_a_wide_terminal_changes_nothing() -> None:
    assert format_table(("NAME", "WHAT", "HUB"), LONG, 200) == format_table(("NAME", "WHAT", "HUB"), LONG)


def test_columns_do_not_vanish() -> None:
    assert max(map(display_width, format_table(("NAME", "WHAT", "HUB"), LONG, 1).splitlines())) == 12 + 2 * (2 + 10)


def test_styles_are_put_on_after_lining_up() -> None:
    rows = [(Painted("ok", "good"), 1), (Painted("", "bad"), 22)]
    assert format_table(("STATE", "N"), rows, paint=lambda text, style: f"<{style}>{text}</>" if text else "") == (
        "<header>STATE</>   <header>N</>\n<good>ok</>      1\n       22"
    )
    assert format_table(("STATE", "N"), rows) == "STATE   N\nok      1\n       22"


@pytest.mark.parametrize(
    ("width", "left"), [(20, ["A", "B", "C"]), (18, ["A", "B", "C"]), (17, ["A", "C"]), (11, ["A"]), (1, ["A"])]
)
def test_spare_columns_are_left_out_one_by_one(width: int, left: list[str]) -> None:
    header, rows = without_spare(("A", "B", "C"), [("first", 1234, "third")], width, ("B", "C"))
    assert header == left
    assert rows == [[{"A": "first", "B": 1234, "C": "third"}[name] for name in left]]


def test_no_rows_have_no_spare_columns() -> None:
    assert without_spare(("A", "B"), [], 1, ("B",)) == (["A"], [])


WORDS = st.lists(st.text("ab书 ", max_size=30), min_size=2, max_size=2)


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(30, 60))
def test_lines_are_never_wider_than_the_terminal(rows: list[list[str]], width: int) -> None:
    shown = format_table(("A", "B", "C"), [("first", *row) for row in rows], width)
    assert max(map(display_width, shown.splitlines())) <= width
