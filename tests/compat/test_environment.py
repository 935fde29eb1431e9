"""Media settings that swift takes out of the environment."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from vlmplug.compat.swift.environment import media_options_of, media_policy_of
from vlmplug.errors import OptionError
from vlmplug.registry import load_registry

INTERNVL2 = load_registry().family("internvl2").media_options


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"HOME": "/home/me", "PATH": "x"}, {}),
        ({"MAX_NUM": "6"}, {"max_num": 6}),
        ({"max_num": 6}, {"max_num": 6}),
        ({"VIDEO_SEGMENTS": "16", "MAX_NUM": "1"}, {"num_segments": 16, "max_num": 1}),
    ],
)
def test_settings(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    assert media_options_of(variables, INTERNVL2) == expected


def test_settings_that_the_family_does_not_have_are_noted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert media_options_of({"HD_NUM": "9"}, INTERNVL2) == {}
    assert "HD_NUM=9" in caplog.text


@pytest.mark.parametrize("value", ["six", "", None, "1.5"])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(OptionError, match="MAX_NUM is"):
        media_options_of({"MAX_NUM": value}, INTERNVL2)


@pytest.mark.parametrize(("variables", "seconds"), [({}, 60.0), ({"TIMEOUT": ""}, 60.0), ({"TIMEOUT": "5"}, 5.0)])
def test_time_for_a_download(variables: dict[str, str], seconds: float) -> None:
    assert media_policy_of(variables).download_seconds == seconds


@pytest.mark.parametrize("value", ["soon", "0", "-1"])
def test_no_time(value: str) -> None:
    with pytest.raises(OptionError):
        media_policy_of({"TIMEOUT": value})
