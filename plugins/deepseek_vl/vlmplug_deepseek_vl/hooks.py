"""The hooks of the DeepSeek-VL family: chat and base models, in the official format and in that of transformers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from vlmplug.conversation import Conversation, ImagePart, MediaPart, PromptOptions, TextPart
from vlmplug.errors import MediaError, PlacementError
from vlmplug.hooks import hookimpl
from vlmplug.json_files import read_json_if_there
from vlmplug.media import Picture
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource, TowerSpec
from vlmplug.parts.generation_config import read_generation_config
from vlmplug.parts.placement import MediaUnit, place
from vlmplug.parts.section import Section
from vlmplug.parts.spans import SlotFormat, inject
from vlmplug.prompt import MediaItem, MediaSlot, RenderedPrompt, Segment, Text
from vlmplug_deepseek_vl.config import read_configuration
from vlmplug_deepseek_vl.preprocessing import Canvas, prepare, read_canvas
from vlmplug_deepseek_vl.prompts import ANSWER_LEADS, FORMATS, Dialogue, answer, stripped
from vlmplug_deepseek_vl.tokens import end_token, read_tokenizer
from vlmplug_deepseek_vl.vision import Normalisation

IMAGE_TAG, COMMON_TAG = "<image_placeholder>", "<image>"
_UNCHANGED = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class DeepSeekSettings:
    """What this family's hooks need to know of a checkpoint.

    - ``format``: its prompt format. ``image_tag``: a picture in a prompt. ``end``: the token that ends an answer.
    - ``canvas``: how pictures are prepared. ``tokens``: vision tokens of each.
    - ``normalisation``: what the official processor does to colours; nothing in the published files.
    """

    format: str
    image_tag: str
    end: str
    canvas: Canvas
    tokens: int
    normalisation: Normalisation


@hookimpl
def load_model(source: ModelSource) -> FamilyModel:
    """Configuration and tokenizer of a checkpoint in either format."""
    dialogue = Section("processor_config.json", read_json_if_there(source.folder / "processor_config.json"))
    processor = read_json_if_there(source.folder / "preprocessor_config.json") or dialogue.get("image_processor") or {}
    read = read_configuration(source.config, processor)
    if dialogue.get("num_image_tokens") not in (None, read.vision.tokens):
        raise dialogue.wrong("num_image_tokens", f"{read.vision.tokens}, which the vision tower gives")
    image_tag = str(dialogue.get("image_tag") or IMAGE_TAG)
    tokenizer = read_tokenizer(source.folder, image_tag, read.text["vocab_size"])
    end = end_token(tokenizer)
    form = dialogue.overlaid({"sft_format": source.template}).word("sft_format", FORMATS)
    return FamilyModel(
        model_type=source.model_type,
        family=source.family,
        folder=source.folder,
        tokenizer=tokenizer,
        text_config={**read.text, "bos_token_id": tokenizer.bos_ids[0], "eos_token_id": tokenizer.special_id(end)},
        tower=TowerSpec("vlmplug_deepseek_vl.tower:build_tower", read.vision.to_data()),
        weight_route=f"vlmplug_deepseek_vl.weights:{read.route}",
        stop_ids=(tokenizer.special_id(end),),
        placeholder_id=tokenizer.special_id(image_tag),
        context_length=read.text["max_position_embeddings"],
        dtype=read.dtype,
        settings=DeepSeekSettings(
            format=form,
            image_tag=image_tag,
            end=end,
            canvas=read_canvas(read.vision, processor),
            tokens=read.vision.tokens,
            normalisation=read.vision.input or _UNCHANGED,
        ),
        sampling=read_generation_config(source.folder).sampling,
        answer_lead=ANSWER_LEADS[form],
    )


@hookimpl
def render_prompt(model: FamilyModel, conversation: Conversation, options: PromptOptions) -> RenderedPrompt:
    """The official prompt."""
    settings: DeepSeekSettings = model.settings
    parsed = options.parse_special_tokens
    turns = list(_user_turns(conversation, _tag(conversation, settings), parsed))
    placed = iter(place(turns, options.placement, _in_front))
    contents = (stripped(next(placed)) if turn.role == "user" else answer(turn, parsed) for turn in conversation.turns)
    dialogue = Dialogue(
        None if conversation.system is None else Text(conversation.system, parsed),
        tuple((turn.role, content) for turn, content in zip(conversation.turns, contents, strict=True)),
        settings.end,
    )
    prompt = RenderedPrompt(tuple(FORMATS[settings.format](dialogue)))
    _refuse_tags(prompt, settings.image_tag)
    return prompt


@hookimpl
def preprocess_media(model: FamilyModel, batch: MediaBatch) -> tuple[MediaInput, ...]:
    """Each picture on a square canvas of its own."""
    return tuple(_prepared(batch.media[item.part].source, item, model.settings) for item in batch.items)


@hookimpl
def inject_vision_tokens(model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]) -> EngineInput:
    """The image tag's id for each vision token, with nothing in front or behind."""
    return inject(model.tokenizer, prompt, inputs, SlotFormat((), model.placeholder_id, ()))


def _user_turns(conversation: Conversation, tag: str, parsed: bool) -> Iterator[list[Text | MediaUnit]]:
    numbers = count()
    for turn in conversation.turns:
        if turn.role == "user":
            parts = [part if isinstance(part, TextPart) else _unit(part, next(numbers), tag) for part in turn.parts]
            yield [Text(part.text, parsed) if isinstance(part, TextPart) else part for part in parts]


def _tag(conversation: Conversation, settings: DeepSeekSettings) -> str:
    """What marks the place of a picture that is handed over beside the texts: the official tag, else vlmplug's."""
    texts = (turn.text for turn in conversation.turns if turn.role == "user")
    return settings.image_tag if any(settings.image_tag in text for text in texts) else COMMON_TAG


def _unit(part: MediaPart, number: int, tag: str) -> MediaUnit:
    """A picture: where it stands, or on a line of its own in front of the text, as in the official demo."""
    if not isinstance(part, ImagePart):
        raise MediaError("DeepSeek-VL takes no clips.", "Send some of its frames as pictures.")
    slot = MediaSlot((MediaItem(number, options=part.options),))
    return MediaUnit(tag, (slot,), (slot, Text("\n")))


def _in_front(units: Sequence[MediaUnit]) -> list[Segment]:
    return [segment for unit in units for segment in unit.in_front]


def _refuse_tags(prompt: RenderedPrompt, tag: str) -> None:
    """A tag in a parsed text would become the id of a picture that is not there; the official code fails on it."""
    if any(isinstance(part, Text) and part.parse_special_tokens and tag in part.text for part in prompt.segments):
        raise PlacementError(
            f"A text holds {tag}, which would count as a picture.", "Take it out, or leave parse_special_tokens off."
        )


def _prepared(source: object, item: MediaItem, settings: DeepSeekSettings) -> MediaInput:
    if not isinstance(source, Picture):
        raise MediaError(f"Picture {item.part + 1} is not opened.", "Pass Conversation.opened().media.")
    normalised = settings.normalisation
    pixels = prepare(source.image, settings.canvas)
    return MediaInput(pixels, settings.tokens, None, normalised.mean, normalised.std)
