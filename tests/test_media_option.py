"""Media options: a value is valid if it fits what the manifest declares, and an error says what would."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.errors import OptionError
from vlmplug.media_option import MediaOption, check_media_options

OPTIONS = {
    option.name: option
    for option in (
        MediaOption("max_num", "integer", None, "Most tiles.", low=1, high=40, media=("image",)),
        MediaOption("zoom", "number", 1.0, "Zoom.", low=0),
        MediaOption("share", "number", None, "Share.", high=1),
        MediaOption("thumbnail", "boolean", True, "Thumbnail."),
        MediaOption("label", "word", "plain", "Label.", words=("plain", "hyphen"), media=("video",)),
        MediaOption("bound", "interval", None, "Seconds.", low=0, media=("video",)),
    )
}


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("max_num", 1, True),
        ("max_num", 40, True),
        ("max_num", None, True),
        ("max_num", 0, False),
        ("max_num", 41, False),
        ("max_num", 3.0, False),
        ("max_num", True, False),
        ("max_num", "3", False),
        ("zoom", 0, True),
        ("zoom", 1e9, True),
        ("zoom", -0.1, False),
        ("zoom", math.nan, False),
        ("zoom", math.inf, False),
        ("thumbnail", False, True),
        ("thumbnail", 1, False),
        ("label", "hyphen", True),
        ("label", "Hyphen", False),
        ("bound", (0, 2.5), True),
        ("bound", [1, 2], True),
        ("bound", (2, 1), False),
        ("bound", (1, 1), False),
        ("bound", (-1, 1), False),
        ("bound", (1, 2, 3), False),
        ("bound", (1, None), False),
        ("bound", "12", False),
    ],
)
def test_values_are_checked_against_type_and_range(name: str, value: object, valid: bool) -> None:
    assert OPTIONS[name].accepts(value) is valid
    if not valid:
        with pytest.raises(OptionError, match=f"the request: {name} is "):
            check_media_options(OPTIONS, {name: value}, "the request")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("max_num", "a whole number from 1 to 40"),
        ("zoom", "a number of at least 0"),
        ("share", "a number of at most 1"),
        ("thumbnail", "true or false"),
        ("label", "one of plain, hyphen"),
        ("bound", "a pair of numbers, start and end, of at least 0"),
    ],
)
def test_the_remedy_says_what_is_expected(name: str, expected: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_media_options(OPTIONS, {name: object()}, "picture 2")
    assert caught.value.problem.startswith(f"picture 2: {name} is ")
    assert caught.value.remedy == f"Give {expected}."


@pytest.mark.parametrize("given", [3, "max_num=3", None, ["max_num"]])
def test_what_is_no_mapping_is_refused(given: Any) -> None:
    with pytest.raises(OptionError, match=f"picture 1: media options are of type {type(given).__name__}"):
        check_media_options(OPTIONS, given, "picture 1")


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(OptionError, match=r"no media option 'max_nun'\. Did you mean max_num\?"):
        check_media_options(OPTIONS, {"max_nun": 3}, "the request")


@pytest.mark.parametrize(("name", "value", "medium"), [("label", "plain", "image"), ("max_num", 3, "video")])
def test_an_option_of_one_medium_is_refused_on_a_part_of_the_other(name: str, value: object, medium: str) -> None:
    check_media_options(OPTIONS, {name: value}, "the request")
    with pytest.raises(OptionError, match=f"{name} does not apply to one {medium}"):
        check_media_options(OPTIONS, {name: value}, "it", medium)


@given(st.integers(), st.integers(-50, 50), st.integers(0, 50))
def test_integers_are_valid_exactly_between_the_bounds(value: int, low: int, width: int) -> None:
    option = MediaOption("n", "integer", None, "N.", low=low, high=low + width)
    assert option.accepts(value) is (low <= value <= low + width)
