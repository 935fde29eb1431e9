"""What a row asks: a request of ms-swift, or messages that bring their media themselves, as OpenAI has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from vlmplug.compat.swift.dialogue import Dialogue, read_dialogue
from vlmplug.compat.swift.media_tags import IMAGES, VIDEOS, MediaTags, listed_media
from vlmplug.compat.swift.request import read_request
from vlmplug.compat.swift.template import Template
from vlmplug.conversation import (
    Conversation,
    ImagePart,
    MediaPart,
    Message,
    Part,
    PromptOptions,
    Role,
    TextPart,
    VideoPart,
    system_message,
)
from vlmplug.errors import ConversationError, PlacementError, RequestError
from vlmplug.pipeline import Request
from vlmplug.sampling import Sampling

Kind = Literal["image", "video"]

_TAGS: Mapping[Kind, MediaTags] = {"image": IMAGES, "video": VIDEOS}
_PARTS: Mapping[Kind, type[ImagePart] | type[VideoPart]] = {"image": ImagePart, "video": VideoPart}
_KEYS = tuple(tags.key for tags in _TAGS.values())


@dataclass(frozen=True)
class RowDefaults:
    """What holds for all rows that do not say otherwise.

    - ``family``: of the model. ``system``, ``options``: as in a `Question`.
    """

    family: str
    sampling: Sampling
    system: str | None = None
    options: PromptOptions = field(default_factory=lambda: PromptOptions("beside"))


def request_of_row(row: Mapping[str, Any], defaults: RowDefaults) -> Request:
    """The request that a row stands for; its media are not opened yet.

    Pictures of ``images`` belong to the tags (``<image>``) in the texts, in order over all turns; those without a tag
    go in front of the first question, as in ms-swift. Messages may bring ``images`` of their own, or parts, whose media
    stand exactly where they are.

    :raises RequestError: the row cannot be asked; the message names the key.
    """
    messages = row.get("messages")
    if isinstance(messages, list) and any(map(_brings_media, messages)):
        return _of_messages(row, _without_label(messages), defaults)
    if "query" not in row and not messages:
        raise RequestError("There is neither 'query' nor 'messages' in the row.", 'Write {"query": "…"}.')
    return _of_swift({**row, "messages": _without_label(messages)} if messages else row, defaults)


def label_of(row: Mapping[str, Any]) -> str | None:
    """The answer that the row expects: ``response``, or a last turn of the assistant's."""
    if isinstance(row.get("response"), str):
        return str(row["response"])
    messages = row.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("role") != "assistant" or not isinstance(last.get("content"), str):
        return None
    return str(last["content"])


def _of_swift(row: Mapping[str, Any], defaults: RowDefaults) -> Request:
    template = Template(None, None, None, None, default_system=defaults.system)
    template.parse_special_tokens = defaults.options.parse_special_tokens
    _check_tags(read_dialogue(row))
    read = read_request(row, template, defaults.family, defaults.options.media)
    options = replace(read.options, placement=defaults.options.placement)
    return Request(read.conversation, options, defaults.sampling)


def _check_tags(dialogue: Dialogue) -> None:
    """Refuses tags where there is no media at all: in a file, they were forgotten; elsewhere such tags are text."""
    for tags, listed in ((IMAGES, dialogue.images), (VIDEOS, dialogue.videos)):
        if not listed and any(tags.tag in tags.inline.sub("", query) for query in dialogue.queries):
            raise PlacementError(
                f"There is {tags.tag} in the row, and nothing in {tags.key}.",
                "Name the file; a tag that is meant as text goes into a part of type text.",
            )


def _of_messages(row: Mapping[str, Any], messages: list[Any], defaults: RowDefaults) -> Request:
    for key in ("query", "history", *_KEYS):
        if row.get(key):
            raise PlacementError(f"{key} stands beside messages with media.", "Put it into the messages.")
    turns = [_message(message, f"messages[{number}]") for number, message in enumerate(messages)]
    system = row.get("system", defaults.system)
    if turns[0].role != "system" and system is not None:
        turns.insert(0, system_message(_text(system, "system")))
    in_parts = any(isinstance(message.get("content"), list) for message in messages)
    options = replace(defaults.options, placement="inline") if in_parts else defaults.options
    return Request(Conversation(tuple(turns)), options, defaults.sampling)


def _without_label(messages: Any) -> Any:
    """The messages up to the last question."""
    last = messages[-1] if isinstance(messages, list) and len(messages) > 1 else None
    return messages[:-1] if isinstance(last, dict) and last.get("role") == "assistant" else messages


def _brings_media(message: Any) -> bool:
    return isinstance(message, dict) and (
        isinstance(message.get("content"), list) or any(message.get(key) for key in _KEYS)
    )


def _message(message: Any, where: str) -> Message:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise ConversationError(f"{where} has no role.", 'Write {"role": "user", "content": "…"}.')
    role = cast(Role, message["role"])  # `Conversation` checks it
    content = message.get("content")
    if isinstance(content, list):
        if own := [key for key in _KEYS if message.get(key)]:
            raise PlacementError(f"{where}: {own[0]} stands beside parts.", "Put all media into the parts.")
        return Message(role, tuple(_part(part, f"{where}.content[{place}]") for place, part in enumerate(content)))
    own_media = [
        _source(source, kind, f"{where}.{tags.key}[{number}]")
        for kind, tags in _TAGS.items()
        for number, source in enumerate(listed_media(message.get(tags.key)))
    ]
    return Message(role, (*own_media, TextPart(_text(content, f"{where}.content"))))


def _part(part: Any, where: str) -> Part:
    """A part as OpenAI has it (``text``, ``image_url``, ``video_url``), or with ``image`` or ``video`` as its type."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return TextPart(_text(part.get("text"), f"{where}.text"))
    if kind not in ("image", "image_url", "video", "video_url"):
        raise ConversationError(f"{where} has the type {kind!r}.", "Use text, image_url, video_url, image or video.")
    given = part.get(kind)
    source = given.get("url") if isinstance(given, dict) else given
    return _source(source, "image" if kind.startswith("image") else "video", f"{where}.{kind}")


def _source(given: Any, kind: Kind, where: str) -> MediaPart:
    if not isinstance(given, str) or not given:
        raise RequestError(f"{where} is a {type(given).__name__}.", "Give a path, an address, or base64.")
    return _PARTS[kind](_TAGS[kind].source(given), name=where)


def _text(given: Any, where: str) -> str:
    if not isinstance(given, str):
        raise ConversationError(f"{where} is a {type(given).__name__}.", "Write a text.")
    return given
