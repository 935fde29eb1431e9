"""Looking never ends the doctor, and a row is one line."""

from __future__ import annotations

from collections.abc import Iterator

from vlmplug.doctor.check import Check, Probe


def _broken() -> Iterator[Check]:
    yield Check("first", "ok", "fine")
    raise KeyError("second\nline")


def test_a_probe_that_fails_keeps_the_rows_it_had_and_says_how_it_failed() -> None:
    first, failed = Probe("thing", _broken).rows()
    assert (first.subject, first.status) == ("first", "ok")
    assert (failed.subject, failed.status) == ("thing", "warning")
    assert "KeyError" in failed.found
    assert failed.fix


def test_rows_are_single_lines_in_the_group_of_their_probe() -> None:
    (row,) = Probe("thing", lambda: [Check("a", "note", "one\ntwo", "three\n four", "five\n")], "plugins").rows()
    assert (row.found, row.needed, row.fix, row.group) == ("one two", "three four", "five", "plugins")


def test_statuses_have_an_order() -> None:
    ranks = [Check("a", status, "").rank for status in ("ok", "note", "warning", "problem")]
    assert ranks == [0, 1, 2, 3]
