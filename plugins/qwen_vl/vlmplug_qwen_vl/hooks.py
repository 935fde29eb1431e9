"""The hooks of the Qwen-VL family: Qwen-VL and Qwen-VL-Chat of 2023 in the official format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from vlmplug.conversation import Conversation, MediaPart, Message, PromptOptions
from vlmplug.errors import MediaError
from vlmplug.hooks import hookimpl
from vlmplug.media import Picture
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource, TowerSpec
from vlmplug.parts.checkpoint import check_vocabulary
from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug.parts.generation_config import read_generation_config
from vlmplug.parts.spans import SlotFormat, inject
from vlmplug.prompt import GeneratedIds, RenderedPrompt, Segment, Special
from vlmplug_qwen_vl import config as official
from vlmplug_qwen_vl import tokens
from vlmplug_qwen_vl.chat import Chat, Content, Dialogue, raw
from vlmplug_qwen_vl.options import ChatFormat, PromptSettings
from vlmplug_qwen_vl.turns import unit_of, user_contents

#: Parts of a picture's width and height that the model counts in.
BOX_SCALE = 1000
#: Tokens at which an answer ends, the usual one first, by the template of the model type.
_STOPS: Mapping[ChatFormat, tuple[str, ...]] = {
    "chatml": (tokens.TURN_END, tokens.START, tokens.END),
    "raw": (tokens.END,),
}


@dataclass(frozen=True)
class QwenVLSettings:
    """What this family's hooks need to know of a checkpoint.

    - ``image_size``: width and height of every prepared picture, in pixels. ``prompt``: how conversations are written.
    """

    image_size: int
    prompt: PromptSettings


@hookimpl
def load_model(source: ModelSource) -> FamilyModel:
    """Configuration and tokenizer of an official checkpoint."""
    config = official.checked(source.config)
    tokenizer = tokens.read_tokenizer(source.folder)
    generation, text = read_generation_config(source.folder), official.text_config(config)
    check_vocabulary(tokenizer, text["vocab_size"])
    chat_format = _chat_format(source.template)
    stops = (*map(tokenizer.special_id, _STOPS[chat_format]), *generation.eos_ids)
    return FamilyModel(
        model_type=source.model_type,
        family=source.family,
        folder=source.folder,
        tokenizer=tokenizer,
        text_config=text,
        tower=TowerSpec("vlmplug_qwen_vl.tower:build_tower", official.tower_config(config)),
        weight_route="vlmplug_qwen_vl.weights:route_weight",
        stop_ids=tuple(dict.fromkeys(stops)),
        placeholder_id=tokenizer.special_id(tokens.PLACEHOLDER),
        length_scaling=official.length_scaling(config),
        box_scale=BOX_SCALE,
        context_length=text["max_position_embeddings"],
        dtype=official.dtype_of(config),
        settings=QwenVLSettings(config["visual"]["image_size"], PromptSettings(chat_format)),
        sampling=generation.sampling,
    )


@hookimpl
def render_prompt(model: FamilyModel, conversation: Conversation, options: PromptOptions) -> RenderedPrompt:
    """The official prompt; a chat parses names and places in texts, and no other special tokens."""
    settings = model.settings.prompt.of_request(options.media, conversation.media)
    is_chat = settings.chat_format == "chatml"
    cut = tokens.chat_text if is_chat else partial(tokens.raw_text, parse_special_tokens=options.parse_special_tokens)
    system = None if conversation.system is None else tuple(cut(conversation.system))
    unit = unit_of(options.placement, settings.chat_format)
    *earlier, question = user_contents(conversation, options.placement, unit, cut)
    answers = [_answer(turn, tuple(cut(turn.text))) for turn in conversation.turns if turn.role == "assistant"]
    dialogue = Dialogue(system, list(zip(earlier, answers, strict=True)), question)
    return Chat(model.tokenizer, settings.max_window_size).prompt(dialogue) if is_chat else raw(dialogue)


@hookimpl
def preprocess_media(model: FamilyModel, batch: MediaBatch) -> tuple[MediaInput, ...]:
    """Each picture in the trained size; its proportions are not kept, and transparency is dropped."""
    size = model.settings.image_size
    return tuple(_prepared(batch.media[item.part], size) for item in batch.items)


@hookimpl
def inject_vision_tokens(model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]) -> EngineInput:
    """``<imgpad>`` for each vision token, between the tags of a picture."""
    slot = SlotFormat((Special(tokens.IMAGE),), model.placeholder_id, (Special(tokens.IMAGE_END),))
    return inject(model.tokenizer, prompt, inputs, slot)


def _chat_format(template: str) -> ChatFormat:
    return "raw" if template == "raw" else "chatml"


def _answer(turn: Message, text: tuple[Segment, ...]) -> Content:
    """An earlier answer: the ids that were generated where they are known, else its text."""
    return text if turn.token_ids is None else (GeneratedIds(turn.token_ids, turn.text),)


def _prepared(part: MediaPart, size: int) -> MediaInput:
    if not isinstance(part.source, Picture):
        raise MediaError("Qwen-VL takes opened pictures only, no clips.", "Give frames of the clip as pictures.")
    image = part.source.image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return MediaInput(np.array(image)[None], official.QUERIES, None, CLIP_MEAN, CLIP_STD)
