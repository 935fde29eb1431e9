"""The contents of the user's turns: texts, and pictures with their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, groupby
from typing import TypeAlias

from vlmplug.conversation import Conversation, ImagePart, Message, Placement, TextPart
from vlmplug.errors import MediaError
from vlmplug.parts.placement import MediaUnit, inline, place_turns
from vlmplug.prompt import MediaItem, MediaSlot, Segment, Text
from vlmplug_qwen_vl.options import ChatFormat

#: Marks the place of a picture in texts whose pictures are handed over beside them; no other meaning upstream.
PICTURE_TAG = "<image>"

#: The number of a picture in its turn, and its place, to what stands in the prompt.
UnitMaker: TypeAlias = "Callable[[int, MediaSlot], MediaUnit]"


def numbered(number: int, slot: MediaSlot) -> MediaUnit:
    """A picture as the official ``from_list_format`` writes it."""
    segments = (Text(f"Picture {number}:"), slot, Text("\n"))
    return MediaUnit(PICTURE_TAG, segments, segments)


def bare(number: int, slot: MediaSlot) -> MediaUnit:
    """A picture and nothing else."""
    return MediaUnit(PICTURE_TAG, (slot,), (slot,))


def unit_of(placement: Placement, chat_format: ChatFormat) -> UnitMaker:
    """How pictures are written.

    Without a number where the caller put them, and beside texts that are to be continued, as in the official evaluation
    of the base model; everywhere else as the official helper writes them.
    """
    return bare if placement == "inline" or (placement, chat_format) == ("beside", "raw") else numbered


def user_contents(
    conversation: Conversation, placement: Placement, unit: UnitMaker, cut: Callable[[str], Iterable[Segment]]
) -> list[tuple[Segment, ...]]:
    """The content of each of the user's turns; pictures are numbered from 1 in every turn.

    :param unit: writes a picture. :param cut: finds the special tokens in a text.
    :raises MediaError: a clip.
    """
    places = count()
    turns = [list(_units(turn, places, unit)) for turn in conversation.turns if turn.role == "user"]
    return [tuple(_cut(content, cut)) for content in place_turns(turns, placement, inline)]


def _units(turn: Message, places: Iterator[int], unit: UnitMaker) -> Iterator[Text | MediaUnit]:
    numbers = count(1)
    for part in turn.parts:
        if isinstance(part, TextPart):
            yield Text(part.text)
        elif isinstance(part, ImagePart):
            yield unit(next(numbers), MediaSlot((MediaItem(next(places)),)))
        else:
            raise MediaError("Qwen-VL takes no clips.", "Send some of its frames as pictures.")


def _cut(content: Sequence[Segment], cut: Callable[[str], Iterable[Segment]]) -> Iterator[Segment]:
    """Special tokens may reach over several texts in a row."""
    for is_text, run in groupby(content, lambda segment: isinstance(segment, Text)):
        if is_text:
            yield from cut("".join(text.text for text in run if isinstance(text, Text)))
        else:
            yield from run
