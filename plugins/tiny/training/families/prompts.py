"""Conversations in numbers, made by the family's own hooks: what the model reads and what it has to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from training.clips import Clip
from training.conversations import Content
from training.drawing import draw
from training.families.contents import shown
from training.families.description import TinyFamily
from training.phrases import Question
from vlmplug.checkpoint import open_source
from vlmplug.conversation import (
    Conversation,
    ImagePart,
    MediaPart,
    Message,
    Placement,
    PromptOptions,
    TextPart,
    VideoPart,
    assistant_message,
    system_message,
)
from vlmplug.host import PluginHost
from vlmplug.host_options import HostOptions
from vlmplug.media import Picture, open_clip
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, MediaSpan
from vlmplug.registry import load_registry


@dataclass(frozen=True)
class Subject:
    """What a sample is about: opened media, and what the family's preprocessing made of them."""

    content: Content | None
    media: tuple[MediaPart, ...]
    inputs: tuple[MediaInput, ...]


@dataclass(frozen=True)
class Answer:
    """Where an answer begins among the ids, the ids themselves with the one that ends it, and the question's kind."""

    start: int
    ids: tuple[int, ...]
    kind: str


@dataclass(frozen=True)
class Dialogue:
    """A whole conversation: ids and positions, where the media are, and the answers in it."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    spans: tuple[MediaSpan, ...]
    answers: tuple[Answer, ...]


class Prompter:
    """Runs the hooks of a family on the tokenizer and the configuration of a folder; it needs no weights."""

    def __init__(self, family: TinyFamily, folder: Path) -> None:
        registry = load_registry()
        self.family = family
        self.host = PluginHost(registry, HostOptions().within(None))
        self.model: FamilyModel = self.host.load_model(open_source(registry, family.model_type, folder))
        self.stop = self.model.tokenizer.special_id(family.talk.stop)

    def subject(self, content: Content | None) -> Subject:
        """The content drawn and preprocessed."""
        pictures = [Picture(draw(scene)) for scene in shown(content)]
        media: tuple[MediaPart, ...] = tuple(ImagePart(picture) for picture in pictures)
        if isinstance(content, Clip):
            media = (VideoPart(open_clip(pictures, "clip")),)
        if not media:
            return Subject(content, (), ())
        conversation = Conversation((Message("user", (*media, TextPart("?"))),))
        items = self.host.render_prompt(self.model, conversation, PromptOptions()).items
        inputs = self.host.preprocess_media(self.model, MediaBatch(media, items))
        return Subject(content, media, tuple(averaged(found, self.family.pictures.averaged) for found in inputs))

    def dialogue(
        self, subject: Subject, turns: Sequence[Question], system: str | None = None, placement: Placement = "beside"
    ) -> Dialogue:
        """A conversation about a subject whose turns are answered right.

        :raises ValueError: the prompt of a later turn does not continue what was said before.
        """
        messages: tuple[Message, ...] = () if system is None else (system_message(system),)
        media, answers = subject.media, []
        for turn in turns:
            messages += (Message("user", (*media, TextPart(turn.text))),)
            prompt = self.prompt(subject, messages, placement)
            ids = self.answer_ids(turn.answer)
            answers.append(Answer(len(prompt.input_ids), (*ids, self.stop), turn.kind))
            messages += (assistant_message(turn.answer, ids),)
            media = ()
        return self.continued(prompt, answers)

    def prompt(self, subject: Subject, messages: tuple[Message, ...], placement: Placement) -> EngineInput:
        rendered = self.host.render_prompt(self.model, Conversation(messages), PromptOptions(placement=placement))
        return self.host.inject_vision_tokens(self.model, rendered, subject.inputs)

    def answer_ids(self, text: str) -> tuple[int, ...]:
        """What the model generates for an answer, but for the id that ends it."""
        return tuple(self.model.tokenizer.encode_text(self.model.answer_lead + text))

    def continued(self, prompt: EngineInput, answers: Sequence[Answer]) -> Dialogue:
        """The last prompt with its answer."""
        last = answers[-1]
        ids = prompt.input_ids + last.ids
        for answer in answers:
            if ids[answer.start : answer.start + len(answer.ids)] != answer.ids:
                raise ValueError(f"{self.family.name}: the prompt of a later turn does not continue the answer before.")
        positions = prompt.position_ids or tuple(range(len(prompt.input_ids)))
        further = range(positions[-1] + 1, positions[-1] + 1 + len(last.ids))
        return Dialogue(ids, (*positions, *further), prompt.spans, tuple(answers))


def averaged(media: MediaInput, side: int) -> MediaInput:
    """The same with squares of ``side`` by ``side`` pixels averaged."""
    if side == 1:
        return media
    pixels, *more = (
        np.stack([np.asarray(Image.fromarray(tile).reduce(side)) for tile in group]) for group in media.groups
    )
    return replace(media, pixels=pixels, more_pixels=tuple(more))
