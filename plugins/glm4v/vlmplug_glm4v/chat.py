"""The chat format, as ``apply_chat_template`` of the official ``tokenization_chatglm.py`` writes it.

``[gMASK]<sop>``, then each turn as ``<|role|>metadata``, a line break, pictures, text; nothing between turns. A turn
without text and pictures is left out. Role line and text are encoded apart. Text is text: no string in it becomes a
special token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlmplug.conversation import Conversation, Message, Placement, TextPart
from vlmplug.parts.placement import MediaUnit, Turn, place
from vlmplug.prompt import GeneratedIds, MediaItem, MediaSlot, Segment, Special, Text
from vlmplug.tokenizer import Tokenizer
from vlmplug_glm4v.tools import tools_text

PREFIX = (Special("[gMASK]"), Special("<sop>"))
#: Marks the place of a picture in texts whose pictures are handed over beside them; no other meaning upstream.
PICTURE_TAG = "<image>"


@dataclass(frozen=True)
class Chat:
    """Writes conversations; ``tokenizer`` encodes the role lines."""

    tokenizer: Tokenizer
    placement: Placement

    def segments(self, conversation: Conversation) -> Iterator[Segment]:
        """The whole prompt of a conversation.

        :raises ConversationError: a tool that the format has no words for.
        """
        users = iter(place(list(_user_turns(conversation)), self.placement, in_front))
        yield from PREFIX
        if conversation.tools:
            yield from self._turn("system", "", (Text(tools_text(conversation.tools)),))
        for message in conversation.messages:
            content = next(users) if message.role == "user" else (Text(message.text),)
            if message.token_ids:
                yield from self._answer(message)
            else:
                yield from self._turn(message.role, message.metadata, content)
        yield Special("<|assistant|>")

    def _turn(self, role: str, metadata: str, content: Sequence[Segment]) -> Iterator[Segment]:
        if any(not isinstance(segment, Text) or segment.text for segment in content):
            line = f"{metadata}\n"
            yield Special(f"<|{role}|>")
            yield GeneratedIds(tuple(self.tokenizer.encode_text(line)), line)
            yield from content

    def _answer(self, message: Message) -> Iterator[Segment]:
        """An answer by its ids; the model itself wrote the line behind the role."""
        ids = message.token_ids or ()
        yield Special(f"<|{message.role}|>")
        yield GeneratedIds(ids, self.tokenizer.decode(ids, skip_special_tokens=False))


def in_front(media: Sequence[MediaUnit]) -> list[Segment]:
    """Pictures of a turn stand in front of its text, with nothing between them."""
    return [segment for unit in media for segment in unit.in_front]


def _user_turns(conversation: Conversation) -> Iterator[Turn]:
    number = 0
    for message in conversation.messages:
        if message.role != "user":
            continue
        turn: list[Text | MediaUnit] = []
        for part in message.parts:
            if isinstance(part, TextPart):
                turn.append(Text(part.text))
                continue
            slot = (MediaSlot((MediaItem(number),)),)
            turn.append(MediaUnit(PICTURE_TAG, slot, slot))
            number += 1
        yield turn
