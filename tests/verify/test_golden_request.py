"""Conversations of a set become requests; what vlmplug's conversations cannot hold is a typed error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vlmplug.conversation import ImagePart, TextPart, VideoPart
from vlmplug.errors import ConversationError
from vlmplug.media import FrameSequence
from vlmplug.prompt import MediaItem, MediaSlot, RenderedPrompt, Special, Text
from vlmplug.verify.golden_request import media_request, prompt_request, prompt_string
from vlmplug.verify.goldens import (
    ChosenFrames,
    DrawnPicture,
    DrawnVideo,
    GoldenMessage,
    GoldenPart,
    GoldenSet,
    PromptCase,
)
from vlmplug.verify.pictures import DrawnClip, make_picture
from vlmplug.verify.set_reader import read_golden_set

IMAGE, OTHER, TEXT = GoldenPart("image", "im0"), GoldenPart("image", "im1"), GoldenPart("text", "What is it?")


@pytest.fixture(scope="module")
def golden_set(golden: Path) -> GoldenSet:
    return read_golden_set(golden)


@pytest.fixture(scope="module")
def template(golden_set: GoldenSet) -> PromptCase:
    return golden_set.prompts["tiny", "one_image_tag"]


def case(template: PromptCase, *content: GoldenPart, **options: Any) -> PromptCase:
    return replace(template, messages=(GoldenMessage("user", content),), options=options)


def test_parts_keep_their_order(golden_set: GoldenSet, template: PromptCase) -> None:
    request = prompt_request(golden_set, case(template, TEXT, IMAGE, TEXT, OTHER))
    parts = request.conversation.messages[0].parts
    assert [type(part) for part in parts] == [TextPart, ImagePart, TextPart, ImagePart]
    picture = make_picture(golden_set.pictures["im1"], golden_set.folder)
    assert parts[3].source.image.tobytes() == picture.tobytes()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "pictures", "whole"),
    [
        ({}, [{}, {}], {}),
        ({"max_num": [4, None]}, [{"max_num": 4}, {}], {}),
        ({"max_num": [None, 6], "combine_images": True}, [{}, {"max_num": 6}], {"combine_images": True}),
        ({"hd_num": 24}, [{}, {}], {"hd_num": 24}),
        ({"bound_seconds": [1, 2, 3]}, [{}, {}], {"bound_seconds": [1, 2, 3]}),
        ({"placement": "beside", "parse_special_tokens": True}, [{}, {}], {}),
    ],
)
def test_options_go_to_pictures_or_to_the_request(
    options: dict[str, Any],
    pictures: list[dict[str, Any]],
    whole: dict[str, Any],
    golden_set: GoldenSet,
    template: PromptCase,
) -> None:
    request = prompt_request(golden_set, case(template, IMAGE, OTHER, TEXT, **options))
    assert [part.options for part in request.conversation.media] == pictures
    assert request.options.media == whole


def test_prompt_options(golden_set: GoldenSet, template: PromptCase) -> None:
    given = prompt_request(golden_set, case(template, TEXT, placement="beside", parse_special_tokens=True)).options
    assert (given.placement, given.parse_special_tokens) == ("beside", True)
    absent = prompt_request(replace(golden_set, placement_default="family"), case(template, TEXT)).options
    assert (absent.placement, absent.parse_special_tokens) == ("family", False)


def test_an_empty_system_message_is_not_an_absent_one(golden_set: GoldenSet, template: PromptCase) -> None:
    empty = GoldenMessage("system", (GoldenPart("text", ""),))
    with_empty = replace(template, messages=(empty, GoldenMessage("user", (TEXT,))))
    assert prompt_request(golden_set, with_empty).conversation.system == ""
    assert prompt_request(golden_set, case(template, TEXT)).conversation.system is None


def test_videos_of_both_kinds(golden_set: GoldenSet, template: PromptCase) -> None:
    first = golden_set.pictures["im0"]
    assert isinstance(first, DrawnPicture)
    videos = {"chosen": ChosenFrames(("im0", "im9")), "drawn": DrawnVideo(30, 10.0, first, 1)}
    parts = (GoldenPart("video", "chosen"), GoldenPart("video", "drawn"), TEXT)
    media = prompt_request(replace(golden_set, videos=videos), case(template, *parts)).conversation.media
    chosen, drawn = (part.source for part in media if isinstance(part, VideoPart))
    assert isinstance(chosen, FrameSequence)
    assert (chosen.frame_count, chosen.fps) == (2, None)
    assert isinstance(drawn, DrawnClip)
    assert (drawn.frame_count, drawn.fps) == (30, 10.0)


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ((GoldenMessage("system", None), GoldenMessage("user", (TEXT,))), r"messages\[0\] holds explicitly nothing"),
        ((GoldenMessage("user", (TEXT,), {"metadata": "m"}),), "has the metadata 'm'"),
        ((GoldenMessage("user", (TEXT,), {"tools": [{"type": "python"}]}),), "has tools"),
        ((GoldenMessage("user", (TEXT,)), GoldenMessage("observation", (TEXT,))), "'observation'"),
        ((), "does not end with a user turn"),
    ],
    ids=["nothing", "metadata", "tools", "observation", "no messages"],
)
def test_what_conversations_cannot_hold(
    messages: tuple[GoldenMessage, ...], says: str, golden_set: GoldenSet, template: PromptCase
) -> None:
    with pytest.raises(ConversationError, match=says):
        prompt_request(golden_set, replace(template, messages=messages))


def test_metadata_and_tools_are_kept(golden_set: GoldenSet, template: PromptCase) -> None:
    tool = {"type": "function", "function": {"name": "add"}}
    messages = (
        GoldenMessage("system", (TEXT,), {"tools": [tool]}),
        GoldenMessage("user", (TEXT,)),
        GoldenMessage("assistant", (TEXT,), {"metadata": "add"}),
        GoldenMessage("observation", (TEXT,)),
    )
    conversation = prompt_request(golden_set, replace(template, messages=messages)).conversation
    assert [turn.metadata for turn in conversation.messages] == ["", "", "add", ""]
    assert conversation.tools == (tool,)


def test_a_request_for_one_picture(golden_set: GoldenSet) -> None:
    image = make_picture(golden_set.pictures["im0"], golden_set.folder)
    request = media_request(ImagePart(image), {"max_num": 6})
    assert len(request.conversation.media) == 1
    assert request.options.media == {"max_num": 6}


PROMPT = RenderedPrompt(
    (
        Special("<s>"),
        Text("Picture 1:"),
        MediaSlot((MediaItem(1),)),
        Text("\nand "),
        MediaSlot((MediaItem(0),)),
        Text("?"),
    )
)


@pytest.mark.parametrize(
    ("image_tag", "expected"),
    [
        ("<image>", "<s>Picture 1:<image>\nand <image>?"),
        ("(<image>./</image>)", "<s>Picture 1:(<image>./</image>)\nand (<image>./</image>)?"),
        ("<b><p></b> (always in front of the text)", "<s>Picture 1:<b><p></b>\nand <b><p></b>?"),
        (
            "Picture N:<img>imK.png</img>\\n (N counts from 1; placement inline: <img>imK.png</img>)",
            "<s>Picture 1:<img>im7.png</img>\nand <img>im3.png</img>?",
        ),
    ],
    ids=["plain", "in brackets", "explained", "named"],
)
def test_how_a_slot_shows(image_tag: str, expected: str) -> None:
    assert prompt_string(PROMPT, image_tag, ("im3", "im7")) == expected
