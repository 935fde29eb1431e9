"""The prompt formats of the official ``qwen_generation_utils.py``: a chat, and a text that the model continues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from vlmplug.errors import ConversationError
from vlmplug.prompt import GeneratedIds, MediaSlot, RenderedPrompt, Segment, Special, Text
from vlmplug.tokenizer import Tokenizer
from vlmplug_qwen_vl.config import QUERIES
from vlmplug_qwen_vl.tokens import START, TURN_END

SYSTEM = "You are a helpful assistant."
#: Ids of a picture, with the tags around it.
_PICTURE_IDS = QUERIES + 2

Content: TypeAlias = "Sequence[Segment]"


@dataclass(frozen=True)
class Dialogue:
    """A conversation whose pictures are placed.

    - ``system``: None where the caller says nothing.
    - ``history``: question and answer, as often as there are. ``question``: the last one.
    """

    system: Content | None
    history: Sequence[tuple[Content, Content]]
    question: Content


def raw(dialogue: Dialogue) -> RenderedPrompt:
    """All contents with nothing in between.

    The official code leaves out whatever stands before the last question.

    :raises ConversationError: there is a system text, for which the format has no place.
    """
    if dialogue.system:
        raise ConversationError(
            "A text to be continued has no system prompt.", "Leave the system message out, or use the chat model."
        )
    return RenderedPrompt((*chain.from_iterable(chain.from_iterable(dialogue.history)), *dialogue.question))


@dataclass(frozen=True)
class Chat:
    """ChatML. Role, line break and content are encoded apart, so that nothing merges across them.

    - ``window``: see `PromptSettings.max_window_size`.
    """

    tokenizer: Tokenizer
    window: int | None

    def prompt(self, dialogue: Dialogue) -> RenderedPrompt:
        """The whole prompt; a system text that is empty has an empty block."""
        system = tuple(self._turn("system", [Text(SYSTEM)] if dialogue.system is None else dialogue.system))
        history = [tuple(self._exchange(*exchange)) for exchange in dialogue.history]
        kept = self._newest(system, history)
        dropped = chain.from_iterable(history[: len(history) - len(kept)])
        question = (*self._line(), *self._turn("user", dialogue.question), *self._line())
        segments = (*system, *chain.from_iterable(kept), *question, *self._opening("assistant"))
        return RenderedPrompt(segments, frozenset(_parts(dropped)))

    def _newest(self, system: Content, history: Sequence[Content]) -> Sequence[Content]:
        """As many of the last exchanges as fit; the question itself is not counted."""
        if self.window is None:
            return history
        size = self._size(system)
        for number, exchange in reversed(list(enumerate(history))):
            size += self._size(exchange)
            if size >= self.window:
                return history[number + 1 :]
        return history

    def _exchange(self, question: Content, answer: Content) -> Iterator[Segment]:
        for role, content in (("user", question), ("assistant", answer)):
            yield from self._line()
            yield from self._turn(role, content)

    def _turn(self, role: str, content: Content) -> Iterator[Segment]:
        yield from self._opening(role)
        yield from content
        yield Special(TURN_END)

    def _opening(self, role: str) -> Iterator[Segment]:
        yield Special(START)
        yield Text(role)
        yield from self._line()

    def _line(self) -> Iterator[Segment]:
        yield GeneratedIds(tuple(self.tokenizer.encode_text("\n")), "\n")

    def _size(self, segments: Content) -> int:
        """Number of ids, those of pictures counted too."""
        pictures = sum(isinstance(segment, MediaSlot) for segment in segments)
        texts = [Special(START) if isinstance(segment, MediaSlot) else segment for segment in segments]
        return len(self.tokenizer.encode(texts)) + pictures * (_PICTURE_IDS - 1)


def _parts(segments: Iterable[Segment]) -> Iterator[int]:
    """Pictures in some part of a prompt."""
    for segment in segments:
        if isinstance(segment, MediaSlot):
            yield from (item.part for item in segment.items)
