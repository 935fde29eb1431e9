"""Media options: those of the manifest, with its types and ranges."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.errors import OptionError
from vlmplug.media_option import Medium
from vlmplug.registry import load_registry
from vlmplug_minicpm_v.options import DECLARED, OptionReader, SliceOptions

MANIFEST = load_registry(RegistrySources(built_in_file(), strict=True)).family("minicpm_v").media_options
IMAGE, VIDEO = SliceOptions(9, use_image_id=True), SliceOptions(2, use_image_id=False)
READER = OptionReader(IMAGE, VIDEO, numbers=True)
WITHOUT_NUMBERS = OptionReader(SliceOptions(9, use_image_id=False), VIDEO, numbers=False)


def test_options_are_those_of_the_manifest() -> None:
    assert sorted(field.name for field in fields(SliceOptions)) == sorted(DECLARED) == sorted(MANIFEST)


@pytest.mark.parametrize("name", MANIFEST)
def test_types_and_ranges_are_those_of_the_manifest(name: str) -> None:
    shown = {"help": "", "default": None, "default_from": None}
    assert replace(MANIFEST[name], **shown) == replace(DECLARED[name], **shown)


def test_defaults_are_those_of_the_manifest() -> None:
    assert {name: option.default for name, option in MANIFEST.items() if option.default is not None} == {
        "max_frames": VIDEO.max_frames
    }


@pytest.mark.parametrize(
    ("request_options", "part", "medium", "expected"),
    [
        ({}, {}, "image", IMAGE),
        ({}, {}, "video", VIDEO),
        ({"max_slice_nums": 4}, {}, "image", SliceOptions(4, use_image_id=True)),
        ({"max_slice_nums": 4}, {}, "video", SliceOptions(4, use_image_id=False)),
        ({"max_slice_nums": 4}, {"max_slice_nums": 6}, "image", SliceOptions(6, use_image_id=True)),
        ({"max_slice_nums": 4}, {"max_slice_nums": None}, "image", SliceOptions(4, use_image_id=True)),
        ({"use_image_id": False}, {}, "image", SliceOptions(9, use_image_id=False)),
        ({"use_image_id": True, "max_frames": 8}, {}, "video", SliceOptions(2, use_image_id=True, max_frames=8)),
    ],
)
def test_a_part_wins_over_the_request_and_that_over_the_medium(
    request_options: dict[str, Any], part: dict[str, Any], medium: Medium, expected: SliceOptions
) -> None:
    assert READER.read(request_options, part, "picture 1", medium) == expected


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"max_slice_nums": 0}, "max_slice_nums is 0"),
        ({"max_slice_nums": 65}, "from 1 to 64"),
        ({"max_slice_nums": True}, "max_slice_nums is True"),
        ({"use_image_id": 1}, "true or false"),
        ({"max_frames": 3}, "max_frames does not apply to one image"),
        ({"max_slice_num": 3}, "max_slice_nums"),
    ],
)
def test_invalid_values_are_named(part: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says) as caught:
        READER.read({}, part, "picture 3", "image")
    assert "picture 3" in str(caught.value)


def test_a_version_without_numbers_says_so() -> None:
    assert WITHOUT_NUMBERS.read({"use_image_id": False}, {}, "picture 1", "image").max_slice_nums == 9
    with pytest.raises(OptionError, match="picture 1: this version of MiniCPM-V has no image ids"):
        WITHOUT_NUMBERS.read({"use_image_id": True}, {}, "picture 1", "image")
