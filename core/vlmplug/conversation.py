"""What a caller wants to ask: turns of text, pictures and clips, before any family has looked at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from vlmplug.errors import ConversationError, OptionError
from vlmplug.media import Clip, ClipSource, Picture, PictureSource, open_clip, open_picture
from vlmplug.media_policy import MediaPolicy

#: ``observation``: what a tool returned that the assistant's turn before it called.
Role = Literal["system", "user", "assistant", "observation"]
Placement = Literal["inline", "family", "beside"]
#: Options of one picture or clip, by the names that the family's manifest declares.
MediaOptions: TypeAlias = Mapping[str, Any]

PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "observation")


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

    - ``token_ids``: the ids that the model generated for this assistant turn, without its stop token; where they are
      given they go into the prompt as they are, so that a second turn continues exactly what was said.
    - ``metadata``: what stands behind the role of an assistant or observation turn: the name of the tool.
    - ``tools``: descriptions of tools, of a system turn; which kinds there are is the family's.

    Families whose prompts have no words for tools refuse observations, ``metadata`` and ``tools``
    (`FamilyModel.tool_use`).
    """

    role: Role
    parts: tuple[Part, ...]
    token_ids: tuple[int, ...] | None = None
    metadata: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def text(self) -> str:
        """All text parts, joined with nothing in between."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def media(self) -> tuple[MediaPart, ...]:
        """Pictures and clips of this turn, in order."""
        return tuple(part for part in self.parts if not isinstance(part, TextPart))


def system_message(text: str, tools: Sequence[Mapping[str, Any]] = ()) -> Message:
    """A system turn; the empty text is an explicitly empty system prompt, not the family's default."""
    return Message("system", (TextPart(text),), tools=tuple(tools))


def user_message(
    text: str, images: tuple[PictureSource | ImagePart, ...] = (), videos: tuple[ClipSource | VideoPart, ...] = ()
) -> Message:
    """A user turn with its pictures and clips in front of the text; parts bring options of their own.

    :raises ConversationError: pictures or clips that are no tuple or list.
    """
    pictures, clips = _listed(images, "images"), _listed(videos, "videos")
    parts: list[Part] = [source if isinstance(source, ImagePart) else ImagePart(source) for source in pictures]
    parts += [source if isinstance(source, VideoPart) else VideoPart(source) for source in clips]
    return Message("user", (*parts, TextPart(text)))


def _listed(given: Any, name: str) -> Sequence[Any]:
    if not isinstance(given, tuple | list):
        kind = type(given).__name__
        raise ConversationError(f"user_message: {name} is of type {kind}.", f"Give a tuple: {name}=(…,).")
    return given


def assistant_message(text: str, token_ids: tuple[int, ...] | None = None, metadata: str = "") -> Message:
    """An answer that was given earlier; ``metadata`` names the tool that it calls."""
    return Message("assistant", (TextPart(text),), token_ids, metadata)


def observation_message(text: str, metadata: str = "") -> Message:
    """What a tool returned."""
    return Message("observation", (TextPart(text),), metadata=metadata)


@dataclass(frozen=True)
class Conversation:
    """An optional system turn first, then user and assistant turns in alternation, ending with the user's.

    In the place of a user's turn, but for the first, may stand what a tool returned (``observation``).

    :raises ConversationError: naming the turn that breaks the order, holds media it must not hold, or is no message.
    """

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        for index, message in enumerate(self.messages):
            _check_message(message, index)
        turns = self.messages[1:] if self.messages[:1] and self.messages[0].role == "system" else self.messages
        offset = len(self.messages) - len(turns)
        for index, message in enumerate(turns):
            _check_turn(message, index + offset, _expected(index))
        if len(turns) % 2 == 0:
            raise ConversationError(
                "The conversation does not end with a user turn.", "Add the question as the last message."
            )
        for index, message in enumerate(self.messages):
            _check_holds(message, index)

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
    def tools(self) -> tuple[Mapping[str, Any], ...]:
        """Tools that the system turn describes."""
        return self.messages[0].tools

    @property
    def uses_tools(self) -> bool:
        """Whether anything in it is about tools."""
        return any(turn.tools or turn.metadata or turn.role == "observation" for turn in self.messages)

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

    def __post_init__(self) -> None:
        """:raises OptionError: an unknown placement, or ``parse_special_tokens`` that is neither true nor false."""
        if self.placement not in PLACEMENTS:
            raise OptionError(f"placement is {self.placement!r}.", f"Use one of {', '.join(PLACEMENTS)}.")
        if not isinstance(self.parse_special_tokens, bool):
            raise OptionError(f"parse_special_tokens is {self.parse_special_tokens!r}.", "Give True or False.")


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


def _check_holds(message: Message, index: int) -> None:
    if message.media and message.role != "user":
        raise ConversationError(
            f"messages[{index}] ({message.role}) holds a picture or clip.", "Put media into user turns only."
        )
    metadata: Any = message.metadata
    if not isinstance(metadata, str) or (metadata and message.role not in ("assistant", "observation")):
        raise ConversationError(
            f"messages[{index}] ({message.role}) has the metadata {metadata!r}.",
            "Metadata is a text, and stands in assistant and observation turns.",
        )
    described = isinstance(message.tools, tuple) and all(isinstance(tool, Mapping) for tool in message.tools)
    if not described or (message.tools and message.role != "system"):
        raise ConversationError(
            f"messages[{index}] ({message.role}) has tools that are no descriptions, or not in a system turn.",
            'Write system_message("", tools=[{"type": "function", "function": {…}}]).',
        )


def _expected(index: int) -> tuple[Role, ...]:
    """Roles that the turn of that number may have, the system's not counted."""
    if index % 2:
        return ("assistant",)
    return ("user", "observation") if index else ("user",)


def _check_turn(message: Message, index: int, expected: tuple[Role, ...]) -> None:
    if message.role not in ROLES:
        raise ConversationError(f"messages[{index}] has the role {message.role!r}.", f"Use one of {', '.join(ROLES)}.")
    if message.role not in expected:
        raise ConversationError(
            f"messages[{index}] has the role {message.role!r} where {expected[0]!r} was expected.",
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
