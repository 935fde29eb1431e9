"""Which options apply to a picture or a clip, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.xcomposer2_5.tests.conftest import FAMILY
from vlmplug.errors import OptionError
from vlmplug.registry import load_registry
from vlmplug_xcomposer2_5.options import DECLARED, check_request, clip_options, picture_options


@pytest.mark.parametrize(
    ("request_", "own", "several", "tiles"),
    [
        ({}, {}, False, 24),
        ({}, {}, True, 6),
        ({"hd_num": 12}, {}, False, 12),
        ({"hd_num": 24}, {}, True, 6),
        ({"hd_num": 4}, {}, True, 6),
        ({}, {"hd_num": 9}, True, 9),
        ({"hd_num": 12}, {"hd_num": 9}, False, 9),
        ({"hd_num": None}, {"hd_num": None}, False, 24),
        ({"max_frames": 3}, {}, False, 24),
    ],
)
def test_tiles_of_a_picture(request_: dict[str, Any], own: dict[str, Any], several: bool, tiles: int) -> None:
    assert picture_options(request_, own, "picture 1", several) == {"hd_num": tiles}


@pytest.mark.parametrize(
    ("request_", "own", "expected"),
    [
        ({}, {}, {"max_frames": 32, "labels": "none"}),
        ({"max_frames": 5}, {"labels": "pillow"}, {"max_frames": 5, "labels": "pillow"}),
        ({"max_frames": 5}, {"max_frames": 7}, {"max_frames": 7, "labels": "none"}),
        ({"max_frames": 5}, {"max_frames": None}, {"max_frames": 5, "labels": "none"}),
        ({"hd_num": 3, "labels": "pillow"}, {}, {"max_frames": 32, "labels": "pillow"}),
    ],
)
def test_frames_of_a_clip(request_: dict[str, Any], own: dict[str, Any], expected: dict[str, Any]) -> None:
    assert clip_options(request_, own, "clip 1") == expected


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"hdnum": 3}, "hd_num"),
        ({"hd_num": 0}, "from 1 to 64"),
        ({"hd_num": 65}, "from 1 to 64"),
        ({"hd_num": 2.5}, "whole number"),
        ({"max_frames": 65}, "from 1 to 64"),
        ({"labels": "simhei"}, "none, pillow"),
        ({"image_argument": "empty"}, "list, none"),
    ],
)
def test_what_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        check_request(given)


def test_options_of_the_other_medium_are_refused() -> None:
    with pytest.raises(OptionError, match="picture 2: max_frames does not apply"):
        picture_options({}, {"max_frames": 3}, "picture 2", False)
    with pytest.raises(OptionError, match="clip 1: there is no media option 'hd'"):
        clip_options({}, {"hd": 3}, "clip 1")


def test_the_manifest_declares_the_same() -> None:
    manifest = load_registry().family(FAMILY).media_options
    facts = ("type", "low", "high", "words")
    assert {name: [getattr(option, fact) for fact in facts] for name, option in manifest.items()} == {
        name: [getattr(option, fact) for fact in facts] for name, option in DECLARED.items()
    }
