"""How pictures and clips appear in the user's turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vlmplug.conversation import Conversation, ImagePart, Message, Part, PromptOptions, TextPart, VideoPart
from vlmplug.media import Clip
from vlmplug.model import FamilyModel
from vlmplug.prompt import MediaSlot, RenderedPrompt
from vlmplug_internvl2 import hooks

Load = Callable[..., FamilyModel]
PICTURE = ImagePart(np.zeros((20, 20, 3), np.uint8))
TEXT = TextPart("Describe.")


def recorded(frame_count: int, fps: float) -> VideoPart:
    """A clip that tells its length; nothing here reads its frames."""
    return VideoPart(Clip("clip", frame_count, fps, (20, 20)))


def chosen(count: int) -> VideoPart:
    """Frames that somebody has chosen already."""
    return VideoPart([np.zeros((20, 20, 3), np.uint8)] * count)


def rendered(model: FamilyModel, *parts: Part, **options: Any) -> RenderedPrompt:
    conversation = Conversation((Message("user", parts),)).opened()
    return hooks.render_prompt(model, conversation, PromptOptions(**options))


def content(prompt: RenderedPrompt, tag: str = "<image>") -> str:
    """What the user says, without what stands around it."""
    return prompt.text(tag).partition("user\n")[2].partition("<|im_end|>")[0]


FRAMES = "Frame1: <image>\nFrame2: <image>\n"


@pytest.mark.parametrize(
    ("parts", "options", "expected"),
    [
        ((PICTURE, TEXT), {}, "<image>Describe."),
        ((PICTURE, TEXT), {"placement": "family"}, "<image>\nDescribe."),
        ((PICTURE, TEXT), {"placement": "beside"}, "<image>\nDescribe."),
        ((PICTURE, PICTURE, TEXT), {"placement": "family"}, "Image-1: <image>\nImage-2: <image>\nDescribe."),
        ((TEXT, PICTURE, PICTURE), {"placement": "family"}, "Image-1: <image>\nImage-2: <image>\nDescribe."),
        ((chosen(2), TEXT), {}, FRAMES + "Describe."),
        ((chosen(2), TEXT), {"placement": "beside"}, FRAMES + "Describe."),
        ((chosen(2), TEXT), {"placement": "family"}, FRAMES + "Describe."),
        ((chosen(2), PICTURE, TEXT), {"placement": "family"}, FRAMES + "<image>\nDescribe."),
        ((chosen(2), TextPart("<video>Why?")), {"placement": "beside"}, FRAMES + "Why?"),
        ((chosen(1), TEXT), {"media": {"frame_label": "hyphen"}}, "Frame-1: <image>\nDescribe."),
        ((PICTURE, PICTURE, TEXT), {"media": {"combine_images": True}}, "<image>Describe."),
        (
            (PICTURE, PICTURE, TEXT),
            {"media": {"combine_images": True}, "placement": "beside"},
            "<image>\nDescribe.",
        ),
        (
            (PICTURE, PICTURE, TEXT),
            {"media": {"combine_images": True}, "placement": "family"},
            "<image>\nDescribe.",
        ),
        ((TEXT, PICTURE, chosen(1), PICTURE), {"media": {"combine_images": True}}, "Describe.<image>Frame1: <image>\n"),
        ((PICTURE,), {}, "<image>"),
        ((), {}, ""),
    ],
)
def test_placement(load: Load, parts: tuple[Part, ...], options: dict[str, Any], expected: str) -> None:
    assert content(rendered(load("tiny"), *parts, **options)) == expected


def test_pictures_that_share_a_place_keep_their_order(load: Load) -> None:
    other = ImagePart(np.zeros((9, 9, 3), np.uint8), {"combine_images": False})
    prompt = rendered(load("tiny"), PICTURE, other, PICTURE, TEXT, media={"combine_images": True})
    slots = [[item.part for item in segment.items] for segment in prompt.segments if isinstance(segment, MediaSlot)]
    assert slots == [[0, 2], [1]]


@pytest.mark.parametrize(
    ("part", "media", "frames"),
    [
        (recorded(300, 30.0), {}, [18, 55, 93, 130, 168, 205, 242, 280]),
        (recorded(300, 30.0), {"num_segments": 2, "bound_seconds": (2, 6)}, [90, 150]),
        (recorded(1, 10.0), {"num_segments": 3}, [0, 0, 0]),
        (chosen(3), {"num_segments": 8}, [0, 1, 2]),
    ],
    ids=["eight by default", "a part of the clip", "repeated", "chosen frames are all used"],
)
def test_frames_of_a_clip(load: Load, part: VideoPart, media: dict[str, Any], frames: list[int]) -> None:
    items = rendered(load("tiny"), part, TEXT, media=media).items
    assert [item.frame for item in items] == frames
    assert {item.options["max_num"] for item in items} == {1}


def test_frames_can_be_cut_too(load: Load) -> None:
    items = rendered(load("tiny"), chosen(1), TEXT, media={"frame_max_num": 4, "max_num": 2}).items
    assert items[0].options == {"max_num": 4, "min_num": 1, "use_thumbnail": True}


def test_media_are_numbered_over_the_whole_conversation(load: Load) -> None:
    turns = (
        Message("user", (PICTURE, PICTURE, TEXT)),
        Message("assistant", (TEXT,)),
        Message("user", (chosen(1), PICTURE, TEXT)),
    )
    prompt = hooks.render_prompt(load("tiny"), Conversation(turns).opened(), PromptOptions())
    assert [item.part for item in prompt.items] == [0, 1, 2, 3]
