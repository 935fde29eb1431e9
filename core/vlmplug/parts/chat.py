"""Chat formats: what stands around the system text, the user's turns and the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlmplug.conversation import Conversation, Message
from vlmplug.prompt import GeneratedIds, Segment, Text


@dataclass(frozen=True)
class Envelope:
    """What stands in front of a turn's content, and what stands behind it."""

    before: tuple[Segment, ...] = ()
    after: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class ChatFormat:
    """A chat format.

    - ``system``, ``user``, ``assistant``: envelopes of the turns; the prompt ends with what is in front of an answer.
    - ``default_system``: system text where the conversation gives none; None: no system block then.
    """

    system: Envelope
    user: Envelope
    assistant: Envelope
    default_system: str | None = None

    def render(
        self, conversation: Conversation, user_turns: Sequence[Sequence[Segment]], parse_special_tokens: bool
    ) -> tuple[Segment, ...]:
        """The whole prompt.

        :param user_turns: content of the user's turns, in order.
        :param parse_special_tokens: whether system texts and answers are parsed; see `Text`.
        """
        return tuple(self._segments(conversation, iter(user_turns), parse_special_tokens))

    def _segments(
        self, conversation: Conversation, user_turns: Iterator[Sequence[Segment]], parsed: bool
    ) -> Iterator[Segment]:
        system = self.default_system if conversation.system is None else conversation.system
        if system is not None:
            yield from (*self.system.before, Text(system, parsed), *self.system.after)
        for turn in conversation.turns:
            if turn.role == "user":
                yield from (*self.user.before, *next(user_turns), *self.user.after)
            else:
                yield from (*self.assistant.before, answer(turn, parsed), *self.assistant.after)
        yield from self.assistant.before


def without_empty_system(conversation: Conversation) -> Conversation:
    """The same without a system turn that says nothing, for families whose official chat takes it for none."""
    return Conversation(conversation.turns) if conversation.system == "" else conversation


def answer(turn: Message, parse_special_tokens: bool) -> Segment:
    """An earlier answer: the ids that were generated where they are known, else its text."""
    if turn.token_ids is None:
        return Text(turn.text, parse_special_tokens)
    return GeneratedIds(turn.token_ids, turn.text)
