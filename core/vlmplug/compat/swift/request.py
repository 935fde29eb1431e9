"""From a request as scripts write it to one that the engine answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlmplug.compat.swift.dialogue import Dialogue, read_dialogue
from vlmplug.compat.swift.grounding import ObjectWriter, read_objects
from vlmplug.compat.swift.media_tags import IMAGES, VIDEOS, refuse_audio
from vlmplug.compat.swift.template import Template
from vlmplug.conversation import (
    Conversation,
    ImagePart,
    Message,
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


def read_request(request: Any, template: Template, family: str, media_options: Mapping[str, Any]) -> SwiftRequest:
    """Reads a request; nothing of it is changed or copied.

    :param template: says which system prompt holds where the request brings none.
    :param family: of the model, for the words with which objects are named.
    :param media_options: the family's media options for all pictures and clips.
    :raises RequestError: it is none that can be served; media are not opened yet.
    """
    dialogue = read_dialogue(request)
    refuse_audio(dialogue.queries, ())
    texts, images = IMAGES.place(dialogue.queries, dialogue.images)
    texts, videos = VIDEOS.place(texts, dialogue.videos)
    if not texts[-1].strip() and not any((*images, *videos)):
        raise ConversationError("The query is empty.", "Ask something, or give a picture.")
    parsed = template.parse_special_tokens
    if objects := read_objects(request.get("objects")):
        flat = [source for row in images for source in row]
        texts = ObjectWriter(family, objects, flat).write(texts)
        images, parsed = _like(images, flat), True  # <ref> and <box> are tokens
    system = template.default_system if dialogue.system is None else dialogue.system
    lead = () if system is None else (system_message(system),)
    turns = _turns(texts, [response for _, response in dialogue.history], images, videos)
    options = PromptOptions("beside", parsed, dict(media_options))
    return SwiftRequest(dialogue, Conversation((*lead, *turns)), options)


def _like(rows: Sequence[Sequence[Any]], flat: Sequence[Any]) -> list[list[Any]]:
    left = iter(flat)
    return [[next(left) for _ in row] for row in rows]


def _turns(
    texts: Sequence[str],
    responses: Sequence[str],
    images: Sequence[Sequence[Any]],
    videos: Sequence[Sequence[Any]],
) -> Iterator[Message]:
    counts = {"images": 0, "videos": 0}
    for number, text in enumerate(texts):
        media: list[ImagePart | VideoPart] = []
        for source in images[number]:
            media.append(ImagePart(source, name=_numbered("images", counts)))
        for source in videos[number]:
            media.append(VideoPart(source, name=_numbered("videos", counts)))
        yield Message("user", (*media, TextPart(text)))
        if number < len(responses):
            yield assistant_message(responses[number])


def _numbered(key: str, counts: dict[str, int]) -> str:
    counts[key] += 1
    return f"{key}[{counts[key] - 1}]"
