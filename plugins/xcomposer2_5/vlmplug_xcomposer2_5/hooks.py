"""The hooks of the XComposer2.5 family, in the official ``InternLMXComposer2ForCausalLM`` format."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from PIL import Image

from vlmplug.conversation import Conversation, MediaPart, PromptOptions
from vlmplug.errors import ContextLengthError, ConversationError
from vlmplug.hooks import hookimpl
from vlmplug.media import Clip, Picture
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource, TowerSpec
from vlmplug.parts.checkpoint import check_vocabulary, weights_dtype
from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug.parts.generation_config import read_generation_config
from vlmplug.parts.spans import SlotFormat, inject
from vlmplug.parts.weight_headers import header_shapes
from vlmplug.prompt import MediaItem, RenderedPrompt
from vlmplug.tokenizer import Tokenizer
from vlmplug_xcomposer2_5 import config as official
from vlmplug_xcomposer2_5.clips import chosen_frames, frame_canvas
from vlmplug_xcomposer2_5.config import XComposerSettings
from vlmplug_xcomposer2_5.pictures import scaled_canvas, scaled_picture
from vlmplug_xcomposer2_5.prompts import END, segments
from vlmplug_xcomposer2_5.sizes import MERGED, TILE, low_rank_additions, tower_sizes

PLACEHOLDER = "<unk>"


@hookimpl
def load_model(source: ModelSource) -> FamilyModel:
    """Configuration, tokenizer, and the sizes that only the shapes of weights tell."""
    official.check(source.config)
    tokenizer = Tokenizer.from_folder(source.folder)
    generation = read_generation_config(source.folder)
    text, shapes = official.text_config(source.config), header_shapes(source.folder)
    check_vocabulary(tokenizer, text["vocab_size"])
    sizes = tower_sizes(shapes, text["hidden_size"])
    return FamilyModel(
        model_type=source.model_type,
        family=source.family,
        folder=source.folder,
        tokenizer=tokenizer,
        text_config=text,
        tower=TowerSpec("vlmplug_xcomposer2_5.tower:build_tower", asdict(sizes)),
        weight_route="vlmplug_xcomposer2_5.weights:route_weight",
        stop_ids=tuple(dict.fromkeys((*map(tokenizer.special_id, (END, "</s>")), *generation.eos_ids))),
        placeholder_id=tokenizer.special_id(PLACEHOLDER),
        context_length=text["max_position_embeddings"],
        dtype=weights_dtype(source.config),
        settings=official.settings(source.config, sizes.side // MERGED),
        sampling=official.SAMPLING,
        partial_lora=low_rank_additions(shapes),
    )


@hookimpl
def render_prompt(conversation: Conversation, options: PromptOptions) -> RenderedPrompt:
    """The official prompt."""
    return RenderedPrompt(segments(conversation, options))


@hookimpl
def preprocess_media(model: FamilyModel, batch: MediaBatch) -> tuple[MediaInput, ...]:
    """Pictures and clips as one picture each, with sides of whole tiles."""
    return tuple(_prepared(_scaled(batch.media[item.part], item), model.settings) for item in batch.items)


@hookimpl
def inject_vision_tokens(model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]) -> EngineInput:
    """As many ``<unk>`` as a picture has vectors, with nothing around them.

    :raises ContextLengthError: the prompt is longer than the official code takes, which would cut its end off.
    """
    found = inject(model.tokenizer, prompt, inputs, SlotFormat((), model.placeholder_id, ()))
    longest = model.settings.longest_prompt
    if len(found.input_ids) > longest:
        raise ContextLengthError(
            f"The prompt takes {len(found.input_ids)} tokens ({found.media_tokens} of them media); the official code "
            f"cuts off what is behind {longest}.",
            "Shorten the text or the history, use fewer or smaller pictures (hd_num), or fewer frames (max_frames).",
        )
    return found


def _scaled(part: MediaPart, item: MediaItem) -> Image.Image:
    source = part.source
    if isinstance(source, Clip):
        frames = source.read(chosen_frames(source, item.options["max_frames"]))
        return scaled_canvas(frame_canvas(frames, item.options["labels"] == "pillow"))
    if isinstance(source, Picture):
        return scaled_picture(source.image, item.options["hd_num"])
    raise ConversationError(f"Picture or clip {item.part + 1} is not opened.", "Pass Conversation.opened().media.")


def _prepared(image: Image.Image, settings: XComposerSettings) -> MediaInput:
    columns, rows = image.width // TILE, image.height // TILE
    side = settings.tile_tokens
    tokens = (rows * columns + 1) * side**2 + 1 + (rows + 1) * side
    pixels = np.array(image)[None]
    return MediaInput(pixels, tokens, (columns, rows), CLIP_MEAN, CLIP_STD, views=1 + rows * columns)
