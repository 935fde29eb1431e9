"""Rows are lines with something in them; each is known by its place and its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.errors import OptionError, RequestError
from vlmplug.rows.row import Row, drawn_lines, read_rows


def test_blank_lines_marks_and_ends_of_lines_are_no_content(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"query": "a"}\r\n\n  \t\n {"query": "b"}')
    rows = list(read_rows(file))
    assert [(row.line, row.document()) for row in rows] == [(1, {"query": "a"}), (4, {"query": "b"})]
    assert rows[0].digest == Row(9, b'{"query": "a"}').digest
    assert len({row.key for row in rows}) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"{", "is not JSON"), (b"[1]", "is a list"), (b"\xff", "is not UTF-8"), (b"[" * 100_000, "is not JSON")],
)
def test_what_is_no_row(content: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        Row(1, content).document()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"missing.jsonl cannot be read: No such file"):
        list(read_rows(tmp_path / "missing.jsonl"))


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (3, 3), (10, 10), (99, 10)])
def test_so_many_are_drawn_in_their_order_and_always_the_same(count: int, expected: int) -> None:
    lines = list(range(1, 11))
    drawn = drawn_lines(lines, count, 42)
    assert len(drawn) == expected
    assert drawn == sorted(set(drawn)) == drawn_lines(lines, count, 42)
    assert drawn_lines(lines, 3, 1) != drawn_lines(lines, 3, 2)
