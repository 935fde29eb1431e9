"""The hooks of the InternVL family: InternVL 1.5, 2, 2.5 and 3 in the official ``InternVLChatModel`` format."""

from __future__ import annotations

from PIL import Image

from vlmplug.conversation import Conversation, PromptOptions
from vlmplug.errors import PlacementError
from vlmplug.hooks import hookimpl
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource, TowerSpec
from vlmplug.parts.batch_images import batch_images
from vlmplug.parts.checkpoint import check_vocabulary, weights_dtype
from vlmplug.parts.generation_config import read_generation_config
from vlmplug.parts.placement import place
from vlmplug.parts.spans import SlotFormat, inject
from vlmplug.parts.tiling import best_grid, cut_tiles
from vlmplug.prompt import MediaItem, RenderedPrompt, Special
from vlmplug.tokenizer import Tokenizer
from vlmplug_internvl2 import config as official
from vlmplug_internvl2.normalisation import PIXEL_MEAN, PIXEL_STD
from vlmplug_internvl2.options import rule_of
from vlmplug_internvl2.templates import template_of
from vlmplug_internvl2.turns import TurnReader, family_lead

BEGIN, END, PLACEHOLDER = "<img>", "</img>", "<IMG_CONTEXT>"


@hookimpl
def load_model(source: ModelSource) -> FamilyModel:
    """Configuration and tokenizer of an official checkpoint."""
    config = official.checked(source.config)
    template = template_of(config, source.template)
    tokenizer = Tokenizer.from_folder(source.folder)
    generation = read_generation_config(source.folder)
    text = official.text_config(config)
    check_vocabulary(tokenizer, text["vocab_size"])
    return FamilyModel(
        model_type=source.model_type,
        family=source.family,
        folder=source.folder,
        tokenizer=tokenizer,
        text_config=text,
        tower=TowerSpec("vlmplug_internvl2.tower:build_tower", official.tower_config(config)),
        weight_route="vlmplug_internvl2.weights:route_weight",
        stop_ids=tuple(dict.fromkeys((tokenizer.special_id(template.separator), *generation.eos_ids))),
        placeholder_id=tokenizer.special_id(PLACEHOLDER),
        context_length=text["max_position_embeddings"],
        dtype=weights_dtype(config),
        settings=official.settings(config, template),
        sampling=generation.sampling,
    )


@hookimpl
def render_prompt(model: FamilyModel, conversation: Conversation, options: PromptOptions) -> RenderedPrompt:
    """The official prompt."""
    if options.parse_special_tokens and conversation.media:
        _refuse_placeholder(conversation)
    settings: official.InternVLSettings = model.settings
    turns = place(TurnReader(settings.options, options).read(conversation), options.placement, family_lead)
    return RenderedPrompt(settings.template.chat.render(conversation, turns, options.parse_special_tokens))


@hookimpl
def preprocess_media(model: FamilyModel, batch: MediaBatch) -> tuple[MediaInput, ...]:
    """Pictures and frames as tiles."""
    settings: official.InternVLSettings = model.settings
    images = batch_images(batch)
    return tuple(_prepared(image, item, settings) for item, image in zip(batch.items, images, strict=True))


@hookimpl
def inject_vision_tokens(model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]) -> EngineInput:
    """``<img>``, as many ``<IMG_CONTEXT>`` as there are vision tokens, ``</img>``."""
    slot = SlotFormat((Special(BEGIN),), model.placeholder_id, (Special(END),))
    return inject(model.tokenizer, prompt, inputs, slot)


def _prepared(image: Image.Image, item: MediaItem, settings: official.InternVLSettings) -> MediaInput:
    rule = rule_of(item, settings.tile_size)
    grid = best_grid(image.size, rule)
    tiles = cut_tiles(image, grid, rule)
    return MediaInput(tiles, len(tiles) * settings.tokens_per_tile, grid, PIXEL_MEAN, PIXEL_STD)


def _refuse_placeholder(conversation: Conversation) -> None:
    for index, message in enumerate(conversation.messages):
        if PLACEHOLDER in message.text:
            raise PlacementError(
                f"messages[{index}] holds {PLACEHOLDER}, which would count as a place for a picture.",
                "Take it out, or leave parse_special_tokens off.",
            )
