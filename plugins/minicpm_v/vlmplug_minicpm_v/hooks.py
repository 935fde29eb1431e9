"""The hooks of the MiniCPM-V family: 2.5 and 2.6 in the official ``MiniCPMV`` format."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from PIL import Image

from vlmplug.conversation import Conversation, PromptOptions
from vlmplug.hooks import hookimpl
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource, TowerSpec
from vlmplug.parts.batch_images import batch_images
from vlmplug.parts.chat import without_empty_system
from vlmplug.parts.checkpoint import check_vocabulary, weights_dtype
from vlmplug.parts.generation_config import read_generation_config
from vlmplug.parts.placement import joined, place_turns
from vlmplug.parts.spans import VisionRun, inject_layouts
from vlmplug.prompt import MediaItem, RenderedPrompt, Segment, Special, Text
from vlmplug_minicpm_v import config as files
from vlmplug_minicpm_v import turns
from vlmplug_minicpm_v.config import MiniCPMVSettings
from vlmplug_minicpm_v.slicing import SlicingRule, best_grid, slices
from vlmplug_minicpm_v.tokens import official_tokenizer
from vlmplug_minicpm_v.versions import version_of

PLACEHOLDER = "<unk>"


@hookimpl
def load_model(source: ModelSource) -> FamilyModel:
    """Configuration and tokenizer of an official checkpoint."""
    version = version_of(source.config, source.template)
    official = files.checked(source.config, source.folder)
    tokenizer, letter = official_tokenizer(source.folder, version)
    generation = read_generation_config(source.folder)
    text = files.text_config(official.config, version)
    check_vocabulary(tokenizer, text["vocab_size"])
    opening = tokenizer.roles[version.opening] if version.opening else ""
    return FamilyModel(
        model_type=source.model_type,
        family=source.family,
        folder=source.folder,
        tokenizer=tokenizer,
        text_config=text,
        tower=TowerSpec("vlmplug_minicpm_v.tower:build_tower", files.tower_config(official, version)),
        weight_route="vlmplug_minicpm_v.weights:route_weight",
        stop_ids=tuple(dict.fromkeys((*map(tokenizer.special_id, version.stop_tokens), *generation.eos_ids))),
        placeholder_id=tokenizer.special_id(PLACEHOLDER),
        context_length=text["max_position_embeddings"],
        dtype=weights_dtype(official.config),
        settings=files.settings(official, version, opening, letter),
        sampling=generation.sampling,
    )


@hookimpl
def render_prompt(model: FamilyModel, conversation: Conversation, options: PromptOptions) -> RenderedPrompt:
    """The official prompt."""
    settings: MiniCPMVSettings = model.settings
    version, parsed = settings.version, options.parse_special_tokens
    units = turns.read_turns(conversation, options, settings.options)
    user = place_turns(units, options.placement, partial(joined, separator=turns.LINE))
    conversation = without_empty_system(conversation)
    if version.trims:
        conversation, user = turns.trimmed(conversation), [turns.trimmed_turn(turn) for turn in user]
    opening = (Special(settings.opening),) if settings.opening else ()
    segments = turns.with_letter(version.chat.render(conversation, user, parsed), settings.letter)
    return RenderedPrompt((*opening, *segments))


@hookimpl
def preprocess_media(model: FamilyModel, batch: MediaBatch) -> tuple[MediaInput, ...]:
    """Pictures and frames as slices."""
    images = batch_images(batch)
    return tuple(_prepared(image, item, model.settings) for item, image in zip(batch.items, images, strict=True))


@hookimpl
def inject_vision_tokens(model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]) -> EngineInput:
    """As many ``<unk>`` as a slice has embeddings, between the tags of the version."""
    numbered = enumerate(zip(prompt.items, inputs, strict=True))
    layouts = [tuple(_layout(item, media, number, model.settings)) for number, (item, media) in numbered]
    return inject_layouts(model.tokenizer, prompt, inputs, model.placeholder_id, layouts)


def _prepared(image: Image.Image, item: MediaItem, settings: MiniCPMVSettings) -> MediaInput:
    rule = SlicingRule(settings.side, settings.patch, item.options["max_slice_nums"])
    grid = best_grid(image.size, rule)
    whole, *cells = slices(image, grid, rule)
    count = 1 + sum(map(len, cells))
    return MediaInput(whole, count * settings.queries, grid, settings.mean, settings.std, tuple(cells))


def _layout(
    item: MediaItem, media: MediaInput, number: int, settings: MiniCPMVSettings
) -> Iterator[Segment | VisionRun]:
    """The number of a picture, the whole of it, its cells row by row with line breaks between the rows."""
    tags, run = settings.version.tags, VisionRun(settings.queries)
    if item.options["use_image_id"]:
        yield from _between(tags.number, Text(str(number)))
    yield from _between(tags.whole, run)
    if media.grid is None:
        return
    columns, rows = media.grid
    row = tuple(_between(tags.cell, run)) * columns
    yield from _between(tags.cells, *row, *((turns.LINE, *row) * (rows - 1)))


def _between(tags: tuple[str, ...], *pieces: Segment | VisionRun) -> Iterator[Segment | VisionRun]:
    yield from (Special(tag) for tag in tags[:1])
    yield from pieces
    yield from (Special(tag) for tag in tags[1:])
