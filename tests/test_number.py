"""What counts as a number, and what is said where something does not."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.errors import EngineOptionError, OptionError
from vlmplug.number import check_whole, is_number, is_whole


@pytest.mark.parametrize(
    ("value", "whole", "number"),
    [
        (3, True, True),
        (-3, True, True),
        (3.0, False, True),
        (float("nan"), False, True),
        (True, False, False),
        ("3", False, False),
        (None, False, False),
        ([3], False, False),
    ],
)
def test_truth_values_are_none(value: object, whole: bool, number: bool) -> None:
    assert (is_whole(value), is_number(value)) == (whole, number)


@pytest.mark.parametrize("value", [1, 2, 1000])
def test_a_whole_number_is_given_back(value: int) -> None:
    assert check_whole("count", value, 1) == check_whole("count", value, value, value) == value


@pytest.mark.parametrize(
    ("value", "limits", "remedy"),
    [
        (0, (1,), "Give a whole number of at least 1."),
        (2.0, (1,), "Give a whole number of at least 1."),
        (True, (0,), "Give a whole number of at least 0."),
        (None, (1, 5), "Give a whole number from 1 to 5."),
        (2000, (1, 1024), "Give a whole number from 1 to 1,024."),
    ],
)
def test_anything_else_is_an_error_of_the_kind_that_was_asked_for(value: Any, limits: Any, remedy: str) -> None:
    for arguments, error in (({}, OptionError), ({"error": EngineOptionError}, EngineOptionError)):
        with pytest.raises(error) as caught:
            check_whole("count", value, *limits, **arguments)
        assert (caught.value.problem, caught.value.remedy) == (f"count is {value!r}.", remedy)
