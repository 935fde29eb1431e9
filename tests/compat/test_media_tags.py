"""Where pictures and clips belong in the texts of a dialogue, as swift places them."""

from __future__ import annotations

import base64
import io
import logging
from pathlib import Path
from typing import Any

import pytest

from vlmplug.compat.swift import SwiftValueError
from vlmplug.compat.swift.media_tags import IMAGES, VIDEOS, MediaTags, listed_media, refuse_audio
from vlmplug.errors import MediaError, PlacementError


@pytest.mark.parametrize(
    ("texts", "listed", "expected_texts", "media"),
    [
        (["<image>What?"], ["a"], ["<image>What?"], [["a"]]),
        (["What?"], ["a", "b"], ["What?"], [["a", "b"]]),
        (["<image>One.", "Two."], ["a"], ["<image>One.", "Two."], [["a"], []]),
        (["<image>One.", "<image>Two."], ["a", "b"], ["<image>One.", "<image>Two."], [["a"], ["b"]]),
        (["One.", "<image>Two."], ["a", "b"], ["One.", "<image>Two."], [["a"], ["b"]]),
        (["One.", "Two."], ["a"], ["One.", "Two."], [["a"], []]),
        (["<img>a</img><img>b</img>Which?"], [], ["<image><image>Which?"], [["a", "b"]]),
        (["<img> a </img>One.", "Two.", "<img>c</img>"], [], ["<image>One.", "Two.", "<image>"], [["a"], [], ["c"]]),
        (["No <img> here"], [], ["No <img> here"], [[]]),
    ],
    ids=[
        "a tag",
        "no tags",
        "a tag in the history",
        "tags in order over all turns",
        "what has no tag belongs to the first turn",
        "a picture without a tag in a dialogue",
        "inline",
        "inline in several turns",
        "half an inline source is text",
    ],
)
def test_places(texts: list[str], listed: list[Any], expected_texts: list[str], media: list[list[Any]]) -> None:
    assert IMAGES.place(texts, listed) == (expected_texts, media)


def test_clips_are_placed_alike() -> None:
    assert VIDEOS.place(["<video>c.mp4</video>Describe."], []) == (["<video>Describe."], [["c.mp4"]])
    assert VIDEOS.place(["<video>Describe."], ["c.mp4"]) == (["<video>Describe."], [["c.mp4"]])


@pytest.mark.parametrize("tags", [IMAGES, VIDEOS], ids=lambda tags: tags.kind)
def test_a_tag_without_media_is_text_and_is_noted(tags: MediaTags, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert tags.place([f"See {tags.tag}"], []) == ([f"See {tags.tag}"], [[]])
    assert f"no {tags.key}" in caplog.text


@pytest.mark.parametrize(
    ("texts", "listed"),
    [
        (["<img>a</img>One.", "<image>Two."], []),
        (["<img>a</img>One."], ["b"]),
        (["<img>a</img>One.", "<image>Two."], ["b"]),
    ],
)
def test_sources_inside_and_beside_the_texts(texts: list[str], listed: list[Any]) -> None:
    with pytest.raises(SwiftValueError, match="Do not mix use"):
        IMAGES.place(texts, listed)
    with pytest.raises(ValueError, match="Do not mix use"):
        IMAGES.place(texts, listed)


def test_more_tags_than_media() -> None:
    with pytest.raises(PlacementError, match="Number of images: 1, number of <image> tags: 2"):
        IMAGES.place(["<image>One.", "<image>Two."], ["a"])


PIXELS = bytes(range(256))
LONG = base64.b64encode(PIXELS).decode()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (" a.png\n", "a.png"),
        ("https://example.org/a.png", "https://example.org/a.png"),
        (f"data:image/png;base64,{LONG}", f"data:image/png;base64,{LONG}"),
        (LONG, PIXELS),
        ("x" * 300 + ".png", "x" * 300 + ".png"),
        (b"bytes", b"bytes"),
        (io.BytesIO(b"bytes"), b"bytes"),
    ],
)
def test_sources(given: Any, expected: Any) -> None:
    assert IMAGES.source(given) == expected


def test_a_long_path_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 200)
    folder.mkdir()
    (folder / "picture").write_bytes(b"")
    assert IMAGES.source(str(folder / "picture")) == str(folder / "picture")


def test_a_buffer_can_be_used_again() -> None:
    buffer = io.BytesIO(b"bytes")
    buffer.seek(3)
    assert [IMAGES.source(buffer), IMAGES.source(buffer)] == [b"bytes", b"bytes"]


def test_nothing_is_no_source() -> None:
    with pytest.raises(MediaError, match="images holds None"):
        IMAGES.source(None)


@pytest.mark.parametrize(("given", "expected"), [(None, []), ("a", ["a"]), (["a", "b"], ["a", "b"]), (("a",), ["a"])])
def test_one_or_several(given: Any, expected: list[Any]) -> None:
    assert listed_media(given) == expected


@pytest.mark.parametrize(("texts", "listed"), [(["Hear <audio>a.wav</audio>"], None), (["Hear"], ["a.wav"])])
def test_audio(texts: list[str], listed: Any) -> None:
    with pytest.raises(MediaError, match="audio"):
        refuse_audio(texts, listed)


def test_a_text_may_speak_of_audio() -> None:
    refuse_audio(["What is an <audio> tag?"], None)
