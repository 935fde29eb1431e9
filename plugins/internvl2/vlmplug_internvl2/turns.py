"""The user's turns of a conversation as texts and media, before anything is placed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vlmplug.conversation import (
    Conversation,
    ImagePart,
    MediaPart,
    Message,
    PromptOptions,
    TextPart,
    VideoPart,
)
from vlmplug.errors import ConversationError
from vlmplug.media import Clip
from vlmplug.parts.frames import segment_middles
from vlmplug.parts.placement import MediaUnit
from vlmplug.prompt import MediaItem, MediaSlot, Segment, Text
from vlmplug_internvl2.options import InternVLOptions

PICTURE_TAG = "<image>"
CLIP_TAG = "<video>"


class TurnReader:
    """Reads the user's turns; counts pictures and clips over the whole conversation."""

    def __init__(self, defaults: InternVLOptions, options: PromptOptions) -> None:
        self._options = defaults.overridden(options.media, "the request")
        self._parsed = options.parse_special_tokens
        self._number = 0

    def read(self, conversation: Conversation) -> list[list[Text | MediaUnit]]:
        """Texts and media of each of the user's turns, in order.

        :raises OptionError: an option of a part does not exist or is out of range.
        :raises MediaError: a clip does not reach into its bounds.
        """
        return [list(self._turn(turn)) for turn in conversation.turns if turn.role == "user"]

    def _turn(self, message: Message) -> Iterator[Text | MediaUnit]:
        shared = self._shared_items(message)
        for part in message.parts:
            if isinstance(part, TextPart):
                yield Text(part.text, self._parsed)
                continue
            options = self._of_part(part)
            if isinstance(part, VideoPart):
                yield _clip(self._number, _opened(part), options)
            elif not options.combine_images:
                yield _picture((MediaItem(self._number, options=options.of_picture()),))
            elif shared:
                yield _picture(shared)
                shared = ()
            self._number += 1

    def _shared_items(self, message: Message) -> tuple[MediaItem, ...]:
        """The pictures of a turn that share one place."""
        items = []
        for number, part in enumerate(message.media, self._number):
            if isinstance(part, ImagePart) and (options := self._of_part(part, number)).combine_images:
                items.append(MediaItem(number, options=options.of_picture()))
        return tuple(items)

    def _of_part(self, part: MediaPart, number: int | None = None) -> InternVLOptions:
        number = self._number if number is None else number
        if isinstance(part, ImagePart):
            return self._options.overridden(part.options, f"picture {number + 1}", "image")
        return self._options.overridden(part.options, f"clip {number + 1}", "video")


def family_lead(media: Sequence[MediaUnit]) -> list[Segment]:
    """What the official README puts in front of a text: numbered pictures if there are several, frames of clips."""
    pictures = sum(unit.tag == PICTURE_TAG for unit in media)
    lead: list[Segment] = []
    number = 0
    for unit in media:
        if unit.tag == PICTURE_TAG and pictures > 1:
            number += 1
            lead.append(Text(f"Image-{number}: "))
        lead += unit.in_front
    return lead


def _picture(items: tuple[MediaItem, ...]) -> MediaUnit:
    slot = MediaSlot(items)
    return MediaUnit(PICTURE_TAG, (slot,), (slot, Text("\n")))


def _clip(part: int, clip: Clip, options: InternVLOptions) -> MediaUnit:
    """The frames of a clip, each on a line of its own."""
    hyphen = "-" if options.frame_label == "hyphen" else ""
    segments: list[Segment] = []
    for number, frame in enumerate(_frames(clip, options), 1):
        slot = MediaSlot((MediaItem(part, frame, options.of_frame()),))
        segments += (Text(f"Frame{hyphen}{number}: "), slot, Text("\n"))
    return MediaUnit(CLIP_TAG, tuple(segments), tuple(segments))


def _frames(clip: Clip, options: InternVLOptions) -> Sequence[int]:
    if clip.fps is None:  # somebody has chosen the frames already
        return range(clip.frame_count)
    return segment_middles(clip.frame_count, clip.fps, options.num_segments, options.bound_seconds)


def _opened(part: VideoPart) -> Clip:
    if isinstance(part.source, Clip):
        return part.source
    raise ConversationError("A clip of the conversation is not opened.", "Render Conversation.opened().")
