"""Where pictures and clips go among the texts of a user's turns.

A turn comes in as texts and media, in the order of its parts; it goes out as segments.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from vlmplug.conversation import Placement
from vlmplug.prompt import Segment, Text


@dataclass(frozen=True)
class MediaUnit:
    """What one place stands for: a picture, several pictures that share a place, or the frames of a clip.

    - ``tag``: the string that marks its place in a text.
    - ``segments``: what it becomes.
    - ``in_front``: what it becomes in front of a text that has no tag for it.
    """

    tag: str
    segments: tuple[Segment, ...]
    in_front: tuple[Segment, ...]


Turn: TypeAlias = "Sequence[Text | MediaUnit]"
#: The official helper of a family for mixed lists: media of a turn, to what stands in front of its text.
FamilyHelper: TypeAlias = "Callable[[Sequence[MediaUnit]], Sequence[Segment]]"
Segments: TypeAlias = "tuple[Segment, ...]"
#: The same where it looks at texts, too: a turn to all that it becomes.
TurnHelper: TypeAlias = "Callable[[Turn], Segments]"


def place(turns: Sequence[Turn], placement: Placement, helper: FamilyHelper) -> list[Segments]:
    """The segments of each of the user's turns; see `PromptOptions.placement` for the three ways."""
    return place_turns(turns, placement, lambda turn: (*helper(_media(turn)), *_texts(turn)))


def place_turns(turns: Sequence[Turn], placement: Placement, helper: TurnHelper) -> list[Segments]:
    """As `place`, with a helper for whole turns."""
    if placement == "inline":
        return [inline(turn) for turn in turns]
    if placement == "family":
        return [helper(turn) for turn in turns]
    return [segments for group in _groups(turns) for segments in beside(group)]


def joined(turn: Turn, separator: Segment) -> Segments:
    """Each part where it stands, with ``separator`` between two of them."""
    return tuple(
        segment for number, part in enumerate(turn) for segment in ((separator,) if number else ()) + _in_place(part)
    )


def inline(turn: Turn) -> Segments:
    """Each unit exactly where it stands."""
    return tuple(segment for part in turn for segment in _in_place(part))


def beside(turns: Sequence[Turn]) -> list[Segments]:
    """Media without a place: the tags in the texts of ``turns`` are their places, in order.

    Missing tags are put in front of the last turn. The places, read from the beginning, take the media in order; tags
    for which none is left are text.
    """
    *earlier, last = turns
    media = [unit for turn in turns for unit in _media(turn)]
    waiting = _Waiting(media)
    missing = waiting.without_tag(turns)
    segments = [tuple(waiting.fill(turn)) for turn in earlier]
    front = [segment for unit in waiting.take(missing) for segment in unit.in_front]
    return [*segments, (*front, *waiting.fill(last))]


class _Waiting:
    """Media that have no place yet, in order, by tag."""

    def __init__(self, media: Sequence[MediaUnit]) -> None:
        self._media = media
        numbers = range(len(media))
        self._queues = {
            unit.tag: deque(number for number in numbers if media[number].tag == unit.tag) for unit in media
        }
        self._tags = re.compile("|".join(map(re.escape, self._queues)) or r"(?!)")

    def without_tag(self, turns: Sequence[Turn]) -> dict[str, int]:
        """By tag, for how many media the texts hold no tag."""
        found = Counter(tag for turn in turns for text in _texts(turn) for tag in self._tags.findall(text.text))
        return {tag: max(0, len(queue) - found[tag]) for tag, queue in self._queues.items()}

    def take(self, counts: Mapping[str, int]) -> list[MediaUnit]:
        """The next so many media of each tag, in the order in which they were handed over."""
        numbers = [self._queues[tag].popleft() for tag, count in counts.items() for _ in range(count)]
        return [self._media[number] for number in sorted(numbers)]

    def fill(self, turn: Turn) -> Iterator[Segment]:
        """The texts of a turn with media in place of their tags, while there are any."""
        for text in _texts(turn):
            end = 0
            for match in self._tags.finditer(text.text):
                if not self._queues[match.group()]:
                    continue
                yield replace(text, text=text.text[end : match.start()])
                yield from self.take({match.group(): 1})[0].segments
                end = match.end()
            yield replace(text, text=text.text[end:])


def _groups(turns: Sequence[Turn]) -> Iterator[Sequence[Turn]]:
    """Turns that share their media: each turn that brings some, with the turns since the one before it."""
    group: list[Turn] = []
    for turn in turns:
        group.append(turn)
        if _media(turn):
            yield group
            group = []
    if group:
        yield group


def _media(turn: Turn) -> list[MediaUnit]:
    return [part for part in turn if isinstance(part, MediaUnit)]


def _texts(turn: Turn) -> list[Text]:
    return [part for part in turn if isinstance(part, Text)]


def _in_place(part: Text | MediaUnit) -> Segments:
    return part.segments if isinstance(part, MediaUnit) else (part,)
