"""Turns, places of pictures and options, beyond what the reference set holds."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlmplug.conversation import (
    Conversation,
    ImagePart,
    Message,
    PromptOptions,
    TextPart,
    VideoPart,
    assistant_message,
    system_message,
    user_message,
)
from vlmplug.errors import ConversationError, MediaError, PlacementError
from vlmplug.media import Clip, Picture
from vlmplug.model import EngineInput, FamilyModel, MediaBatch
from vlmplug.prompt import GeneratedIds, RenderedPrompt
from vlmplug.verify.pictures import blank_clip
from vlmplug_deepseek_vl import hooks
from vlmplug_deepseek_vl.prompts import SYSTEM

TAG, END = "<image_placeholder>", "<｜end▁of▁sentence｜>"
RED = Picture(Image.new("RGB", (8, 4), (255, 0, 0)))
BLUE = Picture(Image.new("RGB", (4, 8), (0, 0, 255)))


def rendered(model: FamilyModel, *messages: Message, **options: Any) -> str:
    """The prompt behind the default system text."""
    prompt = hooks.render_prompt(model, Conversation(messages), PromptOptions(**options))
    return prompt.text(TAG).removeprefix(f"{SYSTEM}\n\n")


def injected(model: FamilyModel, conversation: Conversation) -> tuple[RenderedPrompt, EngineInput]:
    prompt = hooks.render_prompt(model, conversation, PromptOptions())
    inputs = hooks.preprocess_media(model, MediaBatch(conversation.media, prompt.items))
    return prompt, hooks.inject_vision_tokens(model, prompt, inputs)


def mixed(*parts: str | Picture) -> Message:
    return Message("user", tuple(TextPart(part) if isinstance(part, str) else ImagePart(part) for part in parts))


@pytest.mark.parametrize(
    ("placement", "message", "expected"),
    [
        ("inline", mixed("a ", RED, " b ", BLUE), f"a {TAG} b {TAG}"),
        ("inline", mixed("\n", RED, "  "), TAG),
        ("family", mixed("a ", RED, "b", BLUE), f"{TAG}\n{TAG}\na b"),
        ("beside", mixed(RED, BLUE, "which?"), f"{TAG}\n{TAG}\nwhich?"),
        ("beside", mixed(RED, BLUE, "<image> or <image>?"), f"{TAG} or {TAG}?"),
        ("beside", mixed(RED, BLUE, f"{TAG} or {TAG}?"), f"{TAG} or {TAG}?"),
        ("beside", mixed(RED, BLUE, "this <image>?"), f"{TAG}\nthis {TAG}?"),
        ("beside", mixed(RED, f"{TAG} is no <image>"), f"{TAG} is no <image>"),
    ],
)
def test_where_pictures_go(model: FamilyModel, placement: Any, message: Message, expected: str) -> None:
    assert rendered(model, message, placement=placement) == f"User: {expected}\n\nAssistant:"


def test_a_tag_in_an_answer_is_no_place(model: FamilyModel) -> None:
    messages = (user_message("q"), assistant_message(f"see {TAG}"), mixed(RED, "and <image>?"))
    assert rendered(model, *messages, placement="beside").endswith(f"User: and {TAG}?\n\nAssistant:")


@pytest.mark.parametrize(
    ("system", "expected"),
    [("S", "S\n\n"), ("", ""), (" \n", ""), ("  S \n", "S \n\n\n")],
)
def test_the_prompt_begins_with_what_is_visible(model: FamilyModel, system: str, expected: str) -> None:
    assert rendered(model, system_message(system), user_message("q")) == f"{expected}User: q\n\nAssistant:"


def test_an_answer_in_letters_gets_its_space_and_generated_ids_have_it(model: FamilyModel) -> None:
    ids = tuple(model.tokenizer.encode_text(" I am fine"))
    spoken = Conversation((user_message("q"), assistant_message("I am fine"), user_message("r")))
    generated = Conversation((user_message("q"), assistant_message(" I am fine", ids), user_message("r")))
    first, second = (injected(model, conversation)[1].input_ids for conversation in (spoken, generated))
    assert first == second
    prompt = hooks.render_prompt(model, generated, PromptOptions())
    assert [part.ids for part in prompt.segments if isinstance(part, GeneratedIds)] == [ids]


@pytest.mark.parametrize("text", ["", "  \n"])
@pytest.mark.parametrize("ids", [None, ()])
def test_an_empty_answer_has_no_separator(model: FamilyModel, text: str, ids: Any) -> None:
    messages = (user_message("q"), assistant_message(text, ids), user_message("r"))
    assert rendered(model, *messages) == "User: q\n\nAssistant:User: r\n\nAssistant:"


def test_strings_of_special_tokens_stay_text_unless_they_are_parsed(model: FamilyModel) -> None:
    question = Conversation((user_message(f"say {END} now"),))
    end = model.tokenizer.special_id(END)

    def ends(parsed: bool) -> int:
        prompt = hooks.render_prompt(model, question, PromptOptions(parse_special_tokens=parsed))
        return hooks.inject_vision_tokens(model, prompt, ()).input_ids.count(end)

    assert (ends(False), ends(True)) == (0, 1)


@pytest.mark.parametrize("message", [user_message(f"what is {TAG}?"), mixed(RED, f"what is {TAG}?")])
def test_a_tag_that_would_count_as_a_picture_is_refused(model: FamilyModel, message: Message) -> None:
    with pytest.raises(PlacementError, match=TAG):
        rendered(model, message, parse_special_tokens=True)
    assert rendered(model, message).endswith(f"what is {TAG}?\n\nAssistant:")


def test_each_picture_has_its_own_canvas_and_576_tokens(model: FamilyModel) -> None:
    _, found = injected(model, Conversation((mixed(RED, "and", BLUE),)))
    assert [span.length for span in found.spans] == [576, 576]
    assert [found.input_ids[span.start] for span in found.spans] == [model.placeholder_id] * 2
    wide, high = (item.pixels[0] for item in found.media)
    assert wide.shape == high.shape == (1024, 1024, 3)
    grey = [122, 116, 104]
    assert wide[0, 500].tolist() == wide[255, 0].tolist() == wide[768, 0].tolist() == grey
    assert wide[256, 0].tolist() == wide[767, 1023].tolist() == [255, 0, 0]
    assert high[500, 255].tolist() == grey and high[500, 256].tolist() == [0, 0, 255]
    assert np.array_equal(found.media[0].normalised(), wide.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def test_pictures_of_several_turns_are_counted_through(model: FamilyModel) -> None:
    messages = (mixed("a", RED), assistant_message("b"), mixed(BLUE, "c"))
    prompt, found = injected(model, Conversation(messages))
    assert [item.part for item in prompt.items] == [0, 1]
    assert found.media[1].pixels[0, 0, 512].tolist() == [0, 0, 255]


def test_clips_are_refused(model: FamilyModel) -> None:
    clip = blank_clip(4, 2.0, "clip")
    assert isinstance(clip, Clip)
    with pytest.raises(MediaError, match=r"takes no clips.*frames as pictures"):
        rendered(model, Message("user", (VideoPart(clip), TextPart("q"))))


def test_a_picture_that_is_not_opened_is_refused(model: FamilyModel) -> None:
    conversation = Conversation((user_message("q", images=("cat.png",)),))
    prompt = hooks.render_prompt(model, conversation, PromptOptions())
    with pytest.raises(MediaError, match="Picture 1 is not opened"):
        hooks.preprocess_media(model, MediaBatch(conversation.media, prompt.items))


def test_a_model_of_plain_texts_gets_the_contents_alone(model: FamilyModel) -> None:
    base = replace(model, settings=replace(model.settings, format="plain"))
    messages = (mixed(RED, " A dog"), assistant_message(" runs "), user_message(" and jumps "))
    assert rendered(base, *messages) == f"{TAG} A dogrunsand jumps"
    assert rendered(base, system_message(""), user_message("x")) == "x"
    with pytest.raises(ConversationError, match="no system prompt"):
        rendered(base, system_message("S"), user_message("x"))


def test_models_are_picklable(model: FamilyModel) -> None:
    assert pickle.loads(pickle.dumps(model)).settings == model.settings


def test_rendering_needs_neither_torch_nor_transformers() -> None:
    heavy = "torch, transformers, lmdeploy, sentencepiece"
    code = f"import sys, vlmplug_deepseek_vl.hooks; sys.exit(any(n in sys.modules for n in '{heavy}'.split(', ')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_space_in_front_of_an_answer_is_not_said(model: FamilyModel) -> None:
    """Chat models write it; said back as a text or as the generated ids, the prompt is the same."""
    ids = tuple(model.tokenizer.encode_text(f"{model.answer_lead}A dog."))
    spoken = [assistant_message("A dog."), assistant_message("A dog.", ids)]
    prompts = [injected(model, Conversation((user_message("What?"), said, user_message("Big?"))))[1] for said in spoken]
    assert model.answer_lead == " "
    assert prompts[0].input_ids == prompts[1].input_ids
