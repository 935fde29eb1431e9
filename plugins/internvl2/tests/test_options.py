"""Media options: those of the manifest, with its types and ranges."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.errors import OptionError
from vlmplug.prompt import MediaItem
from vlmplug.registry import load_registry
from vlmplug_internvl2.options import DECLARED, InternVLOptions, rule_of

MANIFEST = load_registry(RegistrySources(built_in_file(), strict=True)).family("internvl2").media_options
DEFAULTS = InternVLOptions(max_num=12, min_num=1, use_thumbnail=True, frame_label="plain")


def test_options_are_those_of_the_manifest() -> None:
    names = [field.name for field in fields(InternVLOptions)]
    assert sorted(names) == sorted(DECLARED) == sorted(MANIFEST)


@pytest.mark.parametrize("name", MANIFEST)
def test_types_and_ranges_are_those_of_the_manifest(name: str) -> None:
    shown = {"help": "", "default": None, "default_from": None}
    assert replace(MANIFEST[name], **shown) == replace(DECLARED[name], **shown)


@pytest.mark.parametrize("name", [name for name, option in MANIFEST.items() if option.default is not None])
def test_defaults_are_those_of_the_manifest(name: str) -> None:
    assert getattr(DEFAULTS, name) == MANIFEST[name].default


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"max_num": 6}, {"max_num": 6}),
        ({"max_num": None}, {}),
        ({"bound_seconds": (1, 2.5), "num_segments": 512}, {"bound_seconds": (1, 2.5), "num_segments": 512}),
        ({"frame_label": "hyphen", "use_thumbnail": False}, {"frame_label": "hyphen", "use_thumbnail": False}),
    ],
)
def test_overriding(given: dict[str, Any], changed: dict[str, Any]) -> None:
    assert DEFAULTS.overridden(given, "the request") == replace(DEFAULTS, **changed)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"max_num": 0}, "max_num"),
        ({"max_num": True}, "max_num"),
        ({"min_num": 41}, "from 1 to 40"),
        ({"max_num": 10**9}, "from 1 to 40"),
        ({"use_thumbnail": 1}, "true or false"),
        ({"num_segments": 513}, "from 1 to 512"),
        ({"bound_seconds": (3, 3)}, "bound_seconds"),
        ({"bound_seconds": 3}, "pair of numbers"),
        ({"frame_label": "dots"}, "plain, hyphen"),
        ({"maxnum": 3}, "max_num"),
    ],
)
def test_invalid_values_are_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=named) as caught:
        DEFAULTS.overridden(given, "picture 3")
    assert "picture 3" in str(caught.value)


def test_a_later_layer_may_widen_what_an_earlier_one_narrowed() -> None:
    request = DEFAULTS.overridden({"min_num": 20}, "the request")
    assert request.overridden({"max_num": 30}, "picture 1", "image").min_num == 20


def test_rules_of_items() -> None:
    picture = rule_of(MediaItem(0, options=DEFAULTS.of_picture()), 448)
    frame = rule_of(MediaItem(0, 3, DEFAULTS.of_frame()), 448)
    assert (picture.max_tiles, frame.max_tiles, frame.min_tiles) == (12, 1, 1)
    assert picture.tile_size == frame.tile_size == 448
