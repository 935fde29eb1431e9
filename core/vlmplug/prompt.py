"""A prompt between its text and its token ids: runs of text, special tokens, generated ids, places for media."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from vlmplug.conversation import MediaOptions


@dataclass(frozen=True)
class Text:
    """A run of text, encoded without looking for special tokens unless ``parse_special_tokens`` is set.

    Neighbouring runs are encoded as one, because a tokenizer may merge across their border.
    """

    text: str
    parse_special_tokens: bool = False


@dataclass(frozen=True)
class Special:
    """One special token, by the string that the tokenizer's files give it."""

    token: str


@dataclass(frozen=True)
class GeneratedIds:
    """Ids that the model generated in an earlier turn; ``text`` is what they say, for display only."""

    ids: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class MediaItem:
    """One picture, or one frame of a clip, on its way into the vision tower.

    - ``part``: which picture or clip, counted over the whole conversation (`Conversation.media`).
    - ``frame``: the frame number to read from the clip, from 0; None for a picture.
    - ``options``: the media options that apply to it, checked against the family's manifest.
    """

    part: int
    frame: int | None = None
    options: MediaOptions = field(default_factory=dict)


@dataclass(frozen=True)
class MediaSlot:
    """A place for media: the family's begin and end tokens around the vision tokens of all its items."""

    items: tuple[MediaItem, ...]


Segment: TypeAlias = "Text | Special | GeneratedIds | MediaSlot"


@dataclass(frozen=True)
class RenderedPrompt:
    """What `render_prompt` returns: the whole prompt, in order, with nothing encoded yet.

    ``left_out``: pictures and clips of turns that an option of the caller's leaves out of the prompt, numbered as
    `MediaItem.part`.
    """

    segments: tuple[Segment, ...]
    left_out: frozenset[int] = frozenset()

    @property
    def items(self) -> tuple[MediaItem, ...]:
        """All media items, in the order in which they stand in the prompt."""
        return tuple(item for slot in self.segments if isinstance(slot, MediaSlot) for item in slot.items)

    def text(self, image_tag: str = "<image>") -> str:
        """The prompt as one string, each slot shown as ``image_tag``."""
        return "".join(_shown(self.segments, image_tag))


def _shown(segments: tuple[Segment, ...], image_tag: str) -> Iterator[str]:
    for segment in segments:
        if isinstance(segment, Text | GeneratedIds):
            yield segment.text
        else:
            yield segment.token if isinstance(segment, Special) else image_tag
