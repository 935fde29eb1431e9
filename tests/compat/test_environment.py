"""Media settings that swift takes out of the environment."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from vlmplug.compat.swift.environment import media_options_of, media_policy_of, named_options
from vlmplug.errors import OptionError
from vlmplug.registry import load_registry

INTERNVL2, MINICPM_V, QWEN_VL = (
    load_registry().family(name).media_options for name in ("internvl2", "minicpm_v", "qwen_vl")
)


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


def test_a_setting_has_the_name_that_the_family_has_for_it() -> None:
    assert media_options_of({"MAX_NUM_FRAMES": "2"}, MINICPM_V) == {"max_frames": 2}


@pytest.mark.parametrize(
    ("settings", "declared", "expected"),
    [
        ({"max_num": 6}, INTERNVL2, {"max_num": 6}),
        ({"VIDEO_SEGMENTS": 4}, INTERNVL2, {"num_segments": 4}),
        ({"max_num_frames": 2}, MINICPM_V, {"max_frames": 2}),
        ({"max_frames": 2, "MAX_SLICE_NUMS": 4}, MINICPM_V, {"max_frames": 2, "max_slice_nums": 4}),
        ({"max_window_size": 300}, QWEN_VL, {"max_window_size": 300}),
    ],
)
def test_named_settings(settings: dict[str, Any], declared: Any, expected: dict[str, Any]) -> None:
    assert named_options(settings, declared) == expected


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"max_nun": 6}, "model_kwargs: there is no media option 'max_nun'.*max_num"),
        ({"max_window_size": "many"}, "model_kwargs: max_window_size is 'many'"),
    ],
)
def test_named_settings_that_do_not_exist_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        named_options(settings, {**INTERNVL2, **QWEN_VL})


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
