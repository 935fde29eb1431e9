"""From a request as scripts and files write it to one that the engine answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from vlmplug.compat.swift.dialogue import Dialogue, read_dialogue
from vlmplug.compat.swift.grounding import ObjectWriter, read_objects
from vlmplug.compat.swift.media_tags import IMAGES, VIDEOS, refuse_audio
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
)
from vlmplug.errors import ConversationError


@dataclass(frozen=True)
class SwiftRequest:
    """A request that was read: what the caller said, and what the model is asked."""

    dialogue: Dialogue
    conversation: Conversation
    options: PromptOptions


@dataclass(frozen=True)
class RequestDefaults:
    """What holds for all requests that do not say otherwise.

    - ``family``: of the model, for the words with which objects are named.
    - ``system``: system prompt of requests that bring none; None: the family's own.
    - ``options``: how they become prompts.
    """

    family: str
    system: str | None = None
    options: PromptOptions = field(default_factory=lambda: PromptOptions("beside"))


def read_request(request: Any, defaults: RequestDefaults) -> SwiftRequest:
    """Reads a request; nothing of it is changed or copied.

    Media that the request lists belong to the tags in the texts; those without a tag go in front of the first question.
    Those that messages bring in parts stand exactly where they are.

    :raises RequestError: it is none that can be served; media are not opened yet.
    """
    dialogue, options = read_dialogue(request), defaults.options
    refuse_audio(dialogue.queries, ())
    questions = _listed_turns(dialogue) if dialogue.placed is None else dialogue.placed.turns
    if not dialogue.query.strip() and all(isinstance(part, TextPart) for turn in questions for part in turn):
        raise ConversationError("The query is empty.", "Ask something, or give a picture.")
    if objects := read_objects(request.get("objects")):
        questions = _with_objects(questions, defaults.family, objects)
        options = replace(options, parse_special_tokens=True)  # <ref> and <box> are tokens
    if dialogue.placed is not None and dialogue.placed.exact:
        options = replace(options, placement="inline")
    system = defaults.system if dialogue.system is None else dialogue.system
    lead = () if system is None else (system_message(system),)
    turns = _alternating(questions, [response for _, response in dialogue.history])
    return SwiftRequest(dialogue, Conversation((*lead, *turns)), options)


def _listed_turns(dialogue: Dialogue) -> Sequence[Sequence[Part]]:
    """The user's turns as parts, with the media that were listed in front of the texts that have their tags."""
    texts, images = IMAGES.place(dialogue.queries, dialogue.images)
    texts, videos = VIDEOS.place(texts, dialogue.videos)
    counts = {"images": 0, "videos": 0}
    return [
        (
            *(ImagePart(source, name=_numbered("images", counts)) for source in images[number]),
            *(VideoPart(source, name=_numbered("videos", counts)) for source in videos[number]),
            TextPart(text),
        )
        for number, text in enumerate(texts)
    ]


def _numbered(key: str, counts: dict[str, int]) -> str:
    counts[key] += 1
    return f"{key}[{counts[key] - 1}]"


def _with_objects(
    turns: Sequence[Sequence[Part]], family: str, objects: Sequence[Mapping[str, Any]]
) -> Sequence[Sequence[Part]]:
    """The turns with objects in their texts, and the pictures that were looked at for it opened."""
    parts = [part for turn in turns for part in turn]
    pictures = [part.source for part in parts if isinstance(part, ImagePart)]
    texts = ObjectWriter(family, objects, pictures).write([part.text for part in parts if isinstance(part, TextPart)])
    written, opened = iter(texts), iter(pictures)

    def changed(part: Part) -> Part:
        if isinstance(part, TextPart):
            return TextPart(next(written))
        return replace(part, source=next(opened)) if isinstance(part, ImagePart) else part

    return [tuple(changed(part) for part in turn) for turn in turns]


def _alternating(questions: Sequence[Sequence[Part]], answers: Sequence[str]) -> Iterator[Message]:
    for question, answer in zip_longest(questions, answers):
        yield Message("user", tuple(question))
        if answer is not None:
            yield assistant_message(answer)
