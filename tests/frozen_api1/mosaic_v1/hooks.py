"""NEVER EDIT: hooks written for API 1. They use everything that API 1 offers, and have to run on every later host."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from PIL import Image

from vlmplug.conversation import Conversation, ImagePart, MediaPart, PromptOptions, TextPart, VideoPart
from vlmplug.errors import CheckpointMismatchError, ConversationError, MediaError
from vlmplug.hooks import hookimpl
from vlmplug.media import Clip, Picture
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource, TowerSpec
from vlmplug.parts.chat import ChatFormat, Envelope
from vlmplug.parts.frames import segment_middles
from vlmplug.parts.generation_config import read_generation_config
from vlmplug.parts.placement import MediaUnit, place
from vlmplug.parts.spans import SlotFormat, inject
from vlmplug.parts.tiling import TilingRule, best_grid, cut_tiles
from vlmplug.prompt import MediaItem, MediaSlot, RenderedPrompt, Segment, Special, Text
from vlmplug.tokenizer import Tokenizer

SIDE, TOKENS = 8, 4
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@dataclass(frozen=True)
class Settings:
    max_tiles: int
    default_system: str


def envelope(role: str) -> Envelope:
    return Envelope((Special("<|begin|>"), Text(f"{role}\n")), (Special("<|end|>"), Text("\n")))


@hookimpl
def load_model(source: ModelSource) -> FamilyModel:
    if source.template != "mosaic-chat":
        raise CheckpointMismatchError(f"There is no template {source.template!r}.", "Use mosaic-chat.")
    tokenizer = Tokenizer.from_folder(source.folder)
    generation = read_generation_config(source.folder)
    text = dict(source.config["text_config"])
    return FamilyModel(
        model_type=source.model_type,
        family=source.family,
        folder=source.folder,
        tokenizer=tokenizer,
        text_config=text,
        tower=TowerSpec("mosaic_v1.tower:build_tower", {"tokens": TOKENS, "width": text["hidden_size"]}),
        weight_route="mosaic_v1.hooks:route_weight",
        stop_ids=(tokenizer.special_id("<|end|>"), *generation.eos_ids),
        placeholder_id=tokenizer.special_id("<|tile|>"),
        context_length=text["max_position_embeddings"],
        dtype="float32",
        settings=Settings(source.config["max_tiles"], source.config["default_system"]),
        sampling=generation.sampling,
    )


@hookimpl
def render_prompt(model: FamilyModel, conversation: Conversation, options: PromptOptions) -> RenderedPrompt:
    settings: Settings = model.settings
    chat = ChatFormat(envelope("system"), envelope("user"), envelope("assistant"), settings.default_system)
    numbers = count()
    turns = [
        [_part(part, options, numbers, settings) for part in turn.parts]
        for turn in conversation.turns
        if turn.role == "user"
    ]
    placed = place(turns, options.placement, _in_front)
    return RenderedPrompt(chat.render(conversation, placed, options.parse_special_tokens))


@hookimpl
def preprocess_media(batch: MediaBatch) -> tuple[MediaInput, ...]:
    return tuple(_prepared(batch.media[item.part], item) for item in batch.items)


@hookimpl
def inject_vision_tokens(model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]) -> EngineInput:
    slot = SlotFormat((Special("<|open|>"),), model.placeholder_id, (Special("<|close|>"),))
    found = inject(model.tokenizer, prompt, inputs, slot)
    return replace(found, position_ids=tuple(range(len(found.input_ids))))


@hookimpl(wrapper=True, specname="render_prompt", tryfirst=True)
def redact(prompt_options: None = None) -> Generator[None, RenderedPrompt, RenderedPrompt]:
    """Goes around every family; its own argument with a default is none of the hook's."""
    prompt = yield
    return RenderedPrompt(tuple(_redacted(segment) for segment in prompt.segments))


@hookimpl(wrapper=True, specname="preprocess_media", trylast=True)
def explain(batch: MediaBatch) -> Generator[None, tuple[MediaInput, ...], tuple[MediaInput, ...]]:
    try:
        return (yield)
    except MediaError as error:
        raise MediaError(f"Of {len(batch.items)} items: {error.problem}", error.remedy) from error


@hookimpl(optionalhook=True)
def hook_of_a_later_api(model: FamilyModel, something: str) -> None:
    raise RuntimeError("a host without that hook does not call it")


def route_weight(name: str) -> tuple[str, str]:
    if name.startswith("rotary."):
        return "unused", name
    return ("vision", name.removeprefix("tower.")) if name.startswith("tower.") else ("language", name)


def _part(part: TextPart | MediaPart, options: PromptOptions, numbers: Iterator[int], settings: Settings) -> object:
    if isinstance(part, TextPart):
        return Text(part.text, options.parse_special_tokens)
    chosen = {"max_tiles": settings.max_tiles, **options.media, **part.options}
    number = next(numbers)
    if isinstance(part, ImagePart):
        items = (MediaItem(number, options={key: chosen[key] for key in chosen if key in ("max_tiles", "thumbnail")}),)
        return MediaUnit("<image>", (MediaSlot(items),), (MediaSlot(items), Text("\n")))
    frames = _frames(part, chosen)
    slots = tuple(MediaSlot((MediaItem(number, frame),)) for frame in frames)
    return MediaUnit("<video>", slots, (*slots, Text("\n")))


def _frames(part: VideoPart, chosen: dict[str, object]) -> tuple[int, ...]:
    clip = part.source
    if not isinstance(clip, Clip):
        raise ConversationError("The clip is not opened.", "Pass Conversation.opened().")
    return segment_middles(clip.frame_count, clip.fps or 1.0, int(str(chosen.get("frames", 2))))


def _in_front(units: Sequence[MediaUnit]) -> list[Segment]:
    return [segment for unit in units for segment in unit.in_front]


def _prepared(part: MediaPart, item: MediaItem) -> MediaInput:
    rule = TilingRule(SIDE, 1, item.options.get("max_tiles", 1), item.options.get("thumbnail", True))
    image = _image(part, item)
    if image.width < 2:
        raise MediaError("a picture is one pixel wide.", "Give wider pictures.")
    grid = best_grid(image.size, rule)
    tiles = cut_tiles(image, grid, rule)
    return MediaInput(np.ascontiguousarray(tiles), TOKENS * len(tiles), grid, MEAN, STD)


def _image(part: MediaPart, item: MediaItem) -> Image.Image:
    source = part.source
    if isinstance(source, Picture):
        return source.image
    if isinstance(source, Clip) and item.frame is not None:
        return source.read([item.frame])[0]
    raise ConversationError("The media are not opened.", "Pass Conversation.opened().")


def _redacted(segment: Segment) -> Segment:
    return replace(segment, text=segment.text.replace("secret", "******")) if isinstance(segment, Text) else segment
