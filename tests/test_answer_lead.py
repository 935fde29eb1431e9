"""What stands in front of an answer is taken away, wherever the pieces are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.answer_lead import AnswerLead


def said(lead: str, pieces: list[str]) -> list[str]:
    answer = AnswerLead(lead)
    return [*map(answer.push, pieces), answer.finish()]


@pytest.mark.parametrize(
    ("lead", "pieces", "expected"),
    [
        ("\n", ["\nYes", "."], ["Yes", ".", ""]),
        ("\n", ["", "\n", "\nYes"], ["", "", "\nYes", ""]),
        ("\n", ["Yes\n"], ["Yes\n", ""]),
        ("ab", ["a", "b", "c"], ["", "", "c", ""]),
        ("ab", ["a", "c"], ["", "ac", ""]),
        ("ab", ["a"], ["", "a"]),
        ("", ["\nYes"], ["\nYes", ""]),
        ("\n", [], [""]),
    ],
)
def test_pieces(lead: str, pieces: list[str], expected: list[str]) -> None:
    assert said(lead, pieces) == expected


@given(lead=st.text("ab", max_size=3), pieces=st.lists(st.text("ab", max_size=3)))
def test_all_pieces_together_are_the_answer_without_it(lead: str, pieces: list[str]) -> None:
    assert "".join(said(lead, pieces)) == "".join(pieces).removeprefix(lead)
