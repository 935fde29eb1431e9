"""The user's turns of a conversation as texts and media, and what the official chat template does to texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from vlmplug.conversation import Conversation, Message, Part, PromptOptions, TextPart, VideoPart
from vlmplug.errors import ConversationError
from vlmplug.media import Clip
from vlmplug.parts.frames import each_second
from vlmplug.parts.placement import MediaUnit, Turn
from vlmplug.prompt import GeneratedIds, MediaItem, MediaSlot, Segment, Text
from vlmplug_minicpm_v.options import OptionReader, SliceOptions

PICTURE_TAG, CLIP_TAG = "<image>", "<video>"
LINE = Text("\n")


def read_turns(conversation: Conversation, options: PromptOptions, reader: OptionReader) -> list[Turn]:
    """Texts and media of each of the user's turns, in order; pictures and clips are counted over all turns.

    :raises OptionError: a media option does not exist or is out of range.
    """
    numbers = count()

    def unit(part: Part) -> Text | MediaUnit:
        if isinstance(part, TextPart):
            return Text(part.text, options.parse_special_tokens)
        number = next(numbers)
        if isinstance(part, VideoPart):
            chosen = reader.read(options.media, part.options, f"clip {number + 1}", "video")
            return _unit(CLIP_TAG, _frames(number, part, chosen))
        chosen = reader.read(options.media, part.options, f"picture {number + 1}", "image")
        return _unit(PICTURE_TAG, [MediaItem(number, options=chosen.of_item())])

    return [[unit(part) for part in turn.parts] for turn in conversation.turns if turn.role == "user"]


def _unit(tag: str, items: Sequence[MediaItem]) -> MediaUnit:
    """Pictures, or frames, each on a line of its own."""
    slots = [MediaSlot((item,)) for item in items]
    segments = tuple(segment for slot in slots for segment in (slot, LINE))
    return MediaUnit(tag, segments[:-1], segments)


def _frames(number: int, part: VideoPart, options: SliceOptions) -> list[MediaItem]:
    clip = part.source
    if not isinstance(clip, Clip):
        raise ConversationError("A clip of the conversation is not opened.", "Render Conversation.opened().")
    return [MediaItem(number, frame, options.of_item()) for frame in _frame_numbers(clip, options.max_frames)]


def _frame_numbers(clip: Clip, most: int) -> Sequence[int]:
    if clip.fps is None:  # somebody has chosen the frames already
        return range(clip.frame_count)
    return each_second(clip.frame_count, clip.fps, most)


def trimmed(conversation: Conversation) -> Conversation:
    """System text and answers without white space at their ends; those with generated ids stay as they are."""
    return Conversation(tuple(map(_trimmed_message, conversation.messages)))


def _trimmed_message(message: Message) -> Message:
    kept = message.role == "user" or message.token_ids is not None
    return message if kept else replace(message, parts=(TextPart(message.text.strip()),))


def trimmed_turn(turn: Sequence[Segment]) -> tuple[Segment, ...]:
    """A user's turn without white space at its ends."""
    begun = _without_leading_space(list(turn), str.lstrip)
    return tuple(reversed(_without_leading_space(begun[::-1], str.rstrip)))


def _without_leading_space(segments: list[Segment], strip: Callable[[str], str]) -> list[Segment]:
    while segments and isinstance(first := segments[0], Text):
        if left := strip(first.text):
            return [replace(first, text=left), *segments[1:]]
        segments = segments[1:]
    return segments


def with_letter(segments: Sequence[Segment], letter: tuple[str, int] | None) -> Iterator[Segment]:
    """The same segments, every ``letter`` in a text with its own id."""
    for segment in segments:
        if letter is None or not isinstance(segment, Text):
            yield segment
            continue
        for piece in re.split(f"({re.escape(letter[0])}+)", segment.text):
            if piece.startswith(letter[0]):
                yield GeneratedIds((letter[1],) * (len(piece) // len(letter[0])), piece)
            elif piece:
                yield replace(segment, text=piece)
