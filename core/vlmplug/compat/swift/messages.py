"""``messages`` of a request: roles and contents; a content may be parts, and a turn may bring its own media."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from vlmplug.compat.swift.media_tags import IMAGES, VIDEOS, Kind, MediaTags, listed_media
from vlmplug.conversation import ROLES, ImagePart, MediaPart, Part, Role, TextPart, VideoPart
from vlmplug.errors import ConversationError, MediaError, PlacementError

_TAGS: Mapping[Kind, MediaTags] = {"image": IMAGES, "video": VIDEOS}
_PARTS: Mapping[Kind, type[ImagePart] | type[VideoPart]] = {"image": ImagePart, "video": VideoPart}
#: Types of parts that hold media, as OpenAI has them and shorter.
_KINDS: Mapping[str, Kind] = {"image": "image", "image_url": "image", "video": "video", "video_url": "video"}


@dataclass(frozen=True)
class ListedMessage:
    """One message.

    - ``parts``: its media and texts. ``in_parts``: whether it was written so, and they stand exactly where they are;
      else its media have no place but the tags of its text.
    """

    role: Role
    parts: tuple[Part, ...]
    in_parts: bool

    @property
    def media(self) -> tuple[MediaPart, ...]:
        """What it brings itself."""
        return tuple(part for part in self.parts if not isinstance(part, TextPart))

    @property
    def text(self) -> str:
        """All of it as one text, with tags for media that stand among the texts."""
        shown = [part for part in self.parts if self.in_parts or isinstance(part, TextPart)]
        return "".join(part.text if isinstance(part, TextPart) else _tag(part) for part in shown)


def read_messages(given: Any) -> list[ListedMessage]:
    """The messages of a request, their roles in whatever order.

    :raises ConversationError: one of them is none. :raises PlacementError: media at two places of a message.
    :raises MediaError: a picture or clip that is missing.
    """
    if not isinstance(given, list | tuple):
        raise ConversationError(f"messages is a {type(given).__name__}.", "Give a list of messages.")
    return [_message(message, f"messages[{number}]") for number, message in enumerate(given)]


def _message(message: Any, where: str) -> ListedMessage:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role is None:
        raise ConversationError(f"{where} has no role.", "Write {'role': 'user', 'content': 'Hello'}.")
    if role not in ROLES:
        raise ConversationError(f"{where} has the role {role!r}.", f"Use one of {', '.join(ROLES)}.")
    content, own = message.get("content"), _own_media(message, where)
    in_parts = isinstance(content, list | tuple)
    if in_parts and own:
        raise PlacementError(f"{where}: {own[0].name} stands beside parts.", "Put all media into the parts.")
    if in_parts:
        parts = tuple(_part(part, f"{where}.content[{place}]") for place, part in enumerate(content))
    else:
        parts = (*own, TextPart(_text(content, f"{where}.content")))
    return ListedMessage(cast(Role, role), parts, in_parts)


def _own_media(message: Mapping[str, Any], where: str) -> list[MediaPart]:
    return [
        _media(source, kind, f"{where}.{tags.key}[{number}]")
        for kind, tags in _TAGS.items()
        for number, source in enumerate(listed_media(message.get(tags.key)))
    ]


def _part(part: Any, where: str) -> Part:
    name = str(part.get("type")) if isinstance(part, Mapping) else ""
    if name == "text":
        return TextPart(_text(part.get("text"), f"{where}.text"))
    kind = _KINDS.get(name)
    if kind is None:
        raise ConversationError(f"{where} has the type {name!r}.", f"Use one of text, {', '.join(_KINDS)}.")
    given = part.get(name)
    return _media(given.get("url") if isinstance(given, Mapping) else given, kind, f"{where}.{name}")


def _media(given: Any, kind: Kind, where: str) -> MediaPart:
    if given is None or (isinstance(given, str) and not given.strip()):
        raise MediaError(f"{where} is {given!r}.", "Give a path, an address, base64, bytes or a picture.")
    return _PARTS[kind](_TAGS[kind].source(given), name=where)


def _tag(part: MediaPart) -> str:
    return (IMAGES if isinstance(part, ImagePart) else VIDEOS).tag


def _text(given: Any, where: str) -> str:
    if not isinstance(given, str):
        raise ConversationError(f"{where} is a {type(given).__name__}.", "Give a string.")
    return given
