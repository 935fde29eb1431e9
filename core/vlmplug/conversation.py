"""What a caller wants to ask: turns of text, pictures and clips, before any family has looked at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from vlmplug.errors import ConversationError
from vlmplug.media import Clip, ClipSource, Picture, PictureSource, open_clip, open_picture
from vlmplug.media_policy import MediaPolicy

Role = Literal["system", "user", "assistant"]
Placement = Literal["inline", "family", "beside"]
#: Options of one picture or clip, by the names that the family's manifest declares.
MediaOptions: TypeAlias = Mapping[str, Any]

ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True)
class TextPart:
    """A run of text; it stays text, whatever strings it holds."""

    text: str


@dataclass(frozen=True)
class ImagePart:
    """One picture.

    - ``options``: override the request's media options for this picture alone.
    - ``name``: what messages call it; empty: its place, as ``messages[0].parts[1]``.
    """

    source: PictureSource
    options: MediaOptions = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class VideoPart:
    """One clip; ``options`` and ``name`` as for a picture."""

    source: ClipSource
    options: MediaOptions = field(default_factory=dict)
    name: str = ""


MediaPart: TypeAlias = "ImagePart | VideoPart"
Part: TypeAlias = "TextPart | ImagePart | VideoPart"


@dataclass(frozen=True)
class Message:
    """One turn.

    ``token_ids`` are the ids that the model generated for this assistant turn, without its stop token; where they
    are given they go into the prompt as they are, so that a second turn continues exactly what was said.
    """

    role: Role
    parts: tuple[Part, ...]
    token_ids: tuple[int, ...] | None = None

    @property
    def text(self) -> str:
        """All text parts, joined with nothing in between."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def media(self) -> tuple[MediaPart, ...]:
        """Pictures and clips of this turn, in order."""
        return tuple(part for part in self.parts if not isinstance(part, TextPart))


def system_message(text: str) -> Message:
    """A system turn; the empty text is an explicitly empty system prompt, not the family's default."""
    return Message("system", (TextPart(text),))


def user_message(text: str, images: tuple[PictureSource, ...] = (), videos: tuple[ClipSource, ...] = ()) -> Message:
    """A user turn with its pictures and clips in front of the text."""
    parts: list[Part] = [ImagePart(source) for source in images]
    parts += [VideoPart(source) for source in videos]
    return Message("user", (*parts, TextPart(text)))


def assistant_message(text: str, token_ids: tuple[int, ...] | None = None) -> Message:
    """An answer that was given earlier."""
    return Message("assistant", (TextPart(text),), token_ids)


@dataclass(frozen=True)
class Conversation:
    """An optional system turn first, then user and assistant turns in alternation, ending with the user's.

    :raises ConversationError: naming the turn that breaks the order, holds media it must not hold, or is no message.
    """

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        for index, message in enumerate(self.messages):
            _check_message(message, index)
        turns = self.messages[1:] if self.messages[:1] and self.messages[0].role == "system" else self.messages
        offset = len(self.messages) - len(turns)
        for index, message in enumerate(turns):
            _check_turn(message, index + offset, "user" if index % 2 == 0 else "assistant")
        if len(turns) % 2 == 0:
            raise ConversationError(
                "The conversation does not end with a user turn.", "Add the question as the last message."
            )
        for index, message in enumerate(self.messages):
            if message.media and message.role != "user":
                raise ConversationError(
                    f"messages[{index}] ({message.role}) holds a picture or clip.", "Put media into user turns only."
                )

    @property
    def system(self) -> str | None:
        """Text of the system turn; None where there is none (the family's default applies)."""
        first = self.messages[0]
        return first.text if first.role == "system" else None

    @property
    def turns(self) -> tuple[Message, ...]:
        """All turns but the system's."""
        return tuple(message for message in self.messages if message.role != "system")

    @property
    def media(self) -> tuple[MediaPart, ...]:
        """All pictures and clips, in order over all turns; `MediaItem.part` counts in this tuple."""
        return tuple(part for message in self.messages for part in message.media)

    def opened(self, policy: MediaPolicy | None = None) -> Conversation:
        """The same conversation with every source read: each becomes a `Picture` or a `Clip`.

        :param policy: which files and addresses may be read; None: `MediaPolicy`'s defaults.
        :raises MediaError: naming the part that cannot be read.
        """
        return Conversation(tuple(_opened(message, index, policy) for index, message in enumerate(self.messages)))

    def answered(self, text: str, token_ids: tuple[int, ...]) -> tuple[Message, ...]:
        """The messages with the model's answer behind them, ready for the next question."""
        return (*self.messages, assistant_message(text, token_ids))


@dataclass(frozen=True)
class PromptOptions:
    """How a conversation becomes a prompt.

    - ``placement``: ``inline`` puts each picture exactly where it stands among the parts; ``family`` lets the family's
      official helper for mixed lists place them; ``beside`` hands them over without a place: tags in the user's text
      are their places and missing ones are added as the official code adds them.
    - ``parse_special_tokens``: turn strings that look like special tokens into those ids, as the official code does.
      Off: a user's text is text.
    - ``media``: the family's media options for the whole request; a part's own options win.
    """

    placement: Placement = "inline"
    parse_special_tokens: bool = False
    media: MediaOptions = field(default_factory=dict)


def _check_message(message: object, index: int) -> None:
    if not isinstance(message, Message):
        raise ConversationError(
            f"messages[{index}] is a {type(message).__name__}.",
            "Write user_message(…), assistant_message(…) or system_message(…).",
        )
    given: tuple[Any, ...] = message.parts
    for number, part in enumerate(given):
        text = part.text if isinstance(part, TextPart) else ""
        if not isinstance(part, TextPart | ImagePart | VideoPart) or not isinstance(text, str):
            wrong = type(part if isinstance(text, str) else text).__name__
            raise ConversationError(
                f"messages[{index}].parts[{number}] is a {wrong}.", "Write TextPart(…), ImagePart(…) or VideoPart(…)."
            )


def _check_turn(message: Message, index: int, expected: Role) -> None:
    if message.role not in ROLES:
        raise ConversationError(f"messages[{index}] has the role {message.role!r}.", f"Use one of {', '.join(ROLES)}.")
    if message.role != expected:
        raise ConversationError(
            f"messages[{index}] has the role {message.role!r} where {expected!r} was expected.",
            "Start with an optional system turn, then alternate user and assistant.",
        )


def _opened(message: Message, index: int, policy: MediaPolicy | None) -> Message:
    return replace(message, parts=tuple(_opened_parts(message, index, policy)))


def _opened_parts(message: Message, index: int, policy: MediaPolicy | None) -> Iterator[Part]:
    for number, part in enumerate(message.parts):
        if isinstance(part, TextPart):
            yield part
            continue
        where = part.name or f"messages[{index}].parts[{number}]"
        if isinstance(part, ImagePart):
            yield part if isinstance(part.source, Picture) else _opened_picture(part, where, policy)
        else:
            yield part if isinstance(part.source, Clip) else _opened_clip(part, where, policy)


def _opened_picture(part: ImagePart, where: str, policy: MediaPolicy | None) -> ImagePart:
    return replace(part, source=open_picture(part.source, where, policy))


def _opened_clip(part: VideoPart, where: str, policy: MediaPolicy | None) -> VideoPart:
    return replace(part, source=open_clip(part.source, where, policy))
