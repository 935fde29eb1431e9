"""The prompts of the official ``chat``: envelopes, and where pictures and clips go.

A picture or clip is the same to the official code: ``<ImageHere>``, with nothing around its tokens. One alone without a
marker goes in front of everything, several are numbered by the user ("Image1 <ImageHere>; Image2 <ImageHere>; …").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from vlmplug.conversation import Conversation, MediaPart, PromptOptions, TextPart, VideoPart
from vlmplug.errors import OptionError
from vlmplug.parts.chat import ChatFormat, Envelope, without_empty_system
from vlmplug.parts.placement import MediaUnit, Turn, place
from vlmplug.prompt import MediaItem, MediaSlot, Segment, Special, Text
from vlmplug_xcomposer2_5.options import check_request, clip_options, picture_options

START, END = "[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_145]"
BEGIN = "<s>"
IMAGE_TAG, COMMON_PICTURE_TAG, COMMON_CLIP_TAG = "<ImageHere>", "<image>", "<video>"


def _envelope(role: str) -> Envelope:
    return Envelope((Special(START), Text(f"{role}\n")), (Special(END), Text("\n")))


#: ``chat`` sends its own system text only where it is told to (``use_meta``).
CHAT = ChatFormat(_envelope("system"), _envelope("user"), _envelope("assistant"))


def segments(conversation: Conversation, options: PromptOptions) -> tuple[Segment, ...]:
    """The whole prompt; the tokenizer puts its token for the beginning in front.

    :raises OptionError: a media option does not exist, is out of range, or does not fit the conversation.
    """
    check_request(options.media)
    turns = list(_user_turns(conversation, options))
    front, placed = _placed(turns, options)
    chat = CHAT.render(without_empty_system(conversation), placed, options.parse_special_tokens)
    return (*_second_begin(conversation, options), *front, *chat)


def _user_turns(conversation: Conversation, options: PromptOptions) -> Iterator[list[Text | MediaUnit]]:
    numbers, official = count(), IMAGE_TAG in _texts(conversation)
    several = len(conversation.media) > 1

    def unit(part: MediaPart) -> MediaUnit:
        number = next(numbers)
        slot = MediaSlot((_item(part, number, options, several),))
        common = COMMON_CLIP_TAG if isinstance(part, VideoPart) else COMMON_PICTURE_TAG
        return MediaUnit(IMAGE_TAG if official else common, (slot,), (Text(f"Image{number + 1} "), slot, Text("; ")))

    for turn in conversation.turns:
        if turn.role == "user":
            yield [
                Text(part.text, options.parse_special_tokens) if isinstance(part, TextPart) else unit(part)
                for part in turn.parts
            ]


def _item(part: MediaPart, number: int, options: PromptOptions, several: bool) -> MediaItem:
    if isinstance(part, VideoPart):
        return MediaItem(number, options=clip_options(options.media, part.options, f"clip {number + 1}"))
    chosen = picture_options(options.media, part.options, f"picture {number + 1}", several)
    return MediaItem(number, options=chosen)


def _placed(turns: Sequence[Turn], options: PromptOptions) -> tuple[tuple[Segment, ...], list[tuple[Segment, ...]]]:
    """What stands in front of the whole prompt, and the user's turns."""
    units = [part for turn in turns for part in turn if isinstance(part, MediaUnit)]
    if len(units) == 1 and _stands_alone(units[0], turns, options):
        texts = [tuple(part for part in turn if isinstance(part, Text)) for turn in turns]
        return units[0].segments, [tuple[Segment, ...](turn) for turn in texts]
    return (), place(turns, options.placement, _numbered)


def _stands_alone(unit: MediaUnit, turns: Sequence[Turn], options: PromptOptions) -> bool:
    """Whether the only picture or clip has no place of its own: no tag marks one, nor its place among the parts."""
    tagged = any(unit.tag in part.text for turn in turns for part in turn if isinstance(part, Text))
    return options.placement == "family" or (options.placement == "beside" and not tagged)


def _numbered(units: Sequence[MediaUnit]) -> list[Segment]:
    return [segment for unit in units for segment in unit.in_front]


def _texts(conversation: Conversation) -> str:
    """All that the user says; the separator keeps two texts from making a tag together."""
    return "\0".join(turn.text for turn in conversation.turns if turn.role == "user")


def _second_begin(conversation: Conversation, options: PromptOptions) -> tuple[Segment, ...]:
    """What ``chat(image=None)`` writes itself, in front of which the official tokenizer puts the same once more."""
    if options.media.get("image_argument") != "none":
        return ()
    if conversation.media:
        raise OptionError("image_argument is none, and there are pictures or clips.", "Leave image_argument out.")
    return (Special(BEGIN),)
