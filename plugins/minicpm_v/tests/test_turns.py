"""How texts, pictures and clips appear in the user's turns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plugins.minicpm_v.tests.conftest import Load
from vlmplug.conversation import (
    Conversation,
    ImagePart,
    Message,
    Part,
    PromptOptions,
    TextPart,
    VideoPart,
    assistant_message,
    system_message,
    user_message,
)
from vlmplug.errors import ConversationError
from vlmplug.media import Clip
from vlmplug.prompt import GeneratedIds, RenderedPrompt, Text
from vlmplug_minicpm_v import hooks
from vlmplug_minicpm_v.turns import trimmed_turn, with_letter

PICTURE = ImagePart(np.zeros((20, 20, 3), np.uint8))
TEXT = TextPart("Describe.")


def chosen(count: int) -> VideoPart:
    """Frames that somebody has chosen already."""
    return VideoPart([np.zeros((20, 20, 3), np.uint8)] * count)


def rendered(load: Load, checkpoint: str, *messages: Message, **options: Any) -> RenderedPrompt:
    return hooks.render_prompt(load(checkpoint), Conversation(messages).opened(), PromptOptions(**options))


def content(prompt: RenderedPrompt) -> str:
    """What the user says, without what stands around it."""
    return prompt.text("(i)").partition("user\n")[2].partition("<|im_end|>")[0]


@pytest.mark.parametrize(
    ("parts", "placement", "expected"),
    [
        ((PICTURE, TEXT), "inline", "(i)Describe."),
        ((PICTURE, TEXT), "family", "(i)\nDescribe."),
        ((PICTURE, TEXT), "beside", "(i)\nDescribe."),
        ((TEXT, PICTURE), "family", "Describe.\n(i)"),
        ((TEXT, PICTURE, TEXT), "family", "Describe.\n(i)\nDescribe."),
        ((TEXT, TEXT), "family", "Describe.\nDescribe."),
        ((PICTURE, PICTURE, TEXT), "beside", "(i)\n(i)\nDescribe."),
        ((PICTURE, TextPart("In <image> see")), "beside", "In (i) see"),
        ((chosen(2), TEXT), "inline", "(i)\n(i)Describe."),
        ((chosen(2), TEXT), "family", "(i)\n(i)\nDescribe."),
        ((chosen(2), TextPart("<video>Why?")), "beside", "(i)\n(i)Why?"),
        ((chosen(1), PICTURE), "family", "(i)\n(i)"),
        ((PICTURE,), "family", "(i)"),
        ((), "family", ""),
    ],
)
def test_placement(load: Load, parts: tuple[Part, ...], placement: str, expected: str) -> None:
    assert content(rendered(load, "tiny_2_6", Message("user", parts), placement=placement)) == expected


HEAD = "<|begin_of_text|>"


def header(role: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ((user_message(" Hi \n"),), f"{header('user')}Hi<|eot_id|>"),
        ((system_message(""), user_message("Hi")), f"{header('user')}Hi<|eot_id|>"),
        (
            (system_message(" Be brief. "), user_message("Hi"), assistant_message("\tYes "), user_message("So?")),
            f"{header('system')}Be brief.<|eot_id|>{header('user')}Hi<|eot_id|>{header('assistant')}Yes<|eot_id|>"
            f"{header('user')}So?<|eot_id|>",
        ),
        (
            (user_message("Hi"), assistant_message(" Yes ", (5, 6)), user_message("So?")),
            f"{header('user')}Hi<|eot_id|>{header('assistant')} Yes <|eot_id|>{header('user')}So?<|eot_id|>",
        ),
        ((Message("user", (TextPart("  "), PICTURE, TextPart("\n"))),), f"{header('user')}(i)<|eot_id|>"),
    ],
    ids=["trimmed", "empty system", "all roles", "generated ids stay", "white space around a picture"],
)
def test_prompts_of_2_5(load: Load, messages: tuple[Message, ...], expected: str) -> None:
    shown = rendered(load, "tiny_2_5", *messages).text("(i)")
    assert shown == f"{HEAD}{expected}{header('assistant')}"


def test_2_6_has_a_default_system_text_and_trims_nothing(load: Load) -> None:
    for messages in ((user_message(" Hi "),), (system_message(""), user_message(" Hi "))):
        assert rendered(load, "tiny_2_6", *messages).text() == (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\n"
        )


def test_numbers_of_pictures_count_over_all_turns_and_frames(load: Load) -> None:
    turns = (
        Message("user", (PICTURE, chosen(2), TEXT)),
        assistant_message("Yes."),
        Message("user", (PICTURE, ImagePart(PICTURE.source, {"use_image_id": False}), PICTURE)),
    )
    model, conversation = load("tiny_2_6"), Conversation(turns).opened()
    prompt = hooks.render_prompt(model, conversation, PromptOptions())
    assert [item.part for item in prompt.items] == [0, 1, 1, 2, 3, 4]
    inputs = hooks.preprocess_media(model, hooks.MediaBatch(conversation.media, prompt.items))
    shown = model.tokenizer.decode(hooks.inject_vision_tokens(model, prompt, inputs).input_ids, False)
    numbers = [piece.partition("</image_id>")[0] for piece in shown.split("<image_id>")[1:]]
    assert numbers == ["0", "3", "5"]


def test_clips_must_be_opened(load: Load) -> None:
    conversation = Conversation((Message("user", (VideoPart("clip.mp4"),)),))
    with pytest.raises(ConversationError, match="not opened"):
        hooks.render_prompt(load("tiny_2_6"), conversation, PromptOptions())


@pytest.mark.parametrize(("most", "frames"), [(64, [0, 10, 20, 30]), (2, [10, 30]), (1, [20])])
def test_frames_are_at_most_as_many_as_asked_for(load: Load, most: int, frames: list[int]) -> None:
    clip = VideoPart(Clip("clip", 40, 10.0, (20, 20)))
    prompt = rendered(load, "tiny_2_6", Message("user", (clip,)), media={"max_frames": most})
    assert [item.frame for item in prompt.items] == frames


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["  a "], ["a"]),
        ([" ", "\n a", "b ", " \t"], ["a", "b"]),
        ([" "], []),
        ([], []),
    ],
)
def test_trimming_goes_on_until_there_is_something(texts: list[str], expected: list[str]) -> None:
    assert [segment.text for segment in trimmed_turn([Text(text) for text in texts])] == expected  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi", [Text("Hi", True)]),
        ("!", [GeneratedIds((0,), "!")]),
        ("Oh!!! no", [Text("Oh", True), GeneratedIds((0,) * 3, "!!!"), Text(" no", True)]),
        ("no!\n", [Text("no", True), GeneratedIds((0,), "!"), Text("\n", True)]),
        ("", []),
    ],
)
def test_a_letter_with_its_own_id(text: str, expected: list[object]) -> None:
    assert list(with_letter([Text(text, True)], ("!", 0))) == expected
    assert list(with_letter([Text(text, True)], None)) == [Text(text, True)]
