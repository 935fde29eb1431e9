"""From the steps of the engine to the text of an answer, and to the answer."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from vlmplug.answer_lead import AnswerLead
from vlmplug.errors import EngineStoppedError
from vlmplug.grounding import Box, read_boxes
from vlmplug.model import EngineInput, FamilyModel
from vlmplug.sampling import Answer, FinishReason, Sampling, Timings, TokenLogprobs
from vlmplug.stop_words import StopWords
from vlmplug.tokenizer import TextStream

if TYPE_CHECKING:
    from vlmplug.engine.generation import Generation, Step


@dataclass(frozen=True)
class Delta:
    """New text of a streamed answer; the last one carries the whole answer."""

    text: str
    token_ids: tuple[int, ...] = ()
    answer: Answer | None = None


#: Closing it ends the engine's work on the request.
Deltas: TypeAlias = Generator[Delta, None, None]


class AnswerStream:
    """Turns the steps of one generation into deltas and the answer.

    :param prepare_seconds: how long it took to prepare the request.
    :param picture_size: width and height of the picture whose places an answer names; None: there is none.
    """

    def __init__(
        self,
        model: FamilyModel,
        sampling: Sampling,
        prompt: EngineInput,
        prepare_seconds: float,
        picture_size: tuple[int, int] | None = None,
    ) -> None:
        # Numbers only: the prompt itself holds megabytes of pixels.
        self._prompt_tokens, self._media_tokens = len(prompt.input_ids), prompt.media_tokens
        self._prepare_seconds = prepare_seconds
        self._picture_size, self._box_scale = picture_size, model.box_scale
        self._text, self._lead = TextStream(model.tokenizer), AnswerLead(model.answer_lead)
        self._words, self._has_words = StopWords(sampling.stop_words), any(sampling.stop_words)
        self._ids: list[int] = []
        self._logprobs: list[TokenLogprobs] = []
        self._said: list[str] = []
        self._cached = 0
        self._prompt_logits: tuple[float, ...] | None = None
        self._finish: FinishReason = "cancelled"
        self._begin = self._latest = time.perf_counter()
        self._first = 0.0

    def deltas(self, generation: Generation) -> Deltas:
        """What is said, as it comes; leaving early cancels the generation."""
        try:
            for step in generation:
                yield self._delta(step)
                if self._words.hit:
                    break
        finally:
            generation.cancel()
        yield self._last()

    async def arriving(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        """The same for an event loop, which is not held up."""
        try:
            async for step in generation:
                yield self._delta(step)
                if self._words.hit:
                    break
        finally:
            generation.cancel()
        yield self._last()

    def whole(self, generation: Generation) -> Answer:
        """The answer alone; nobody is woken before all is there, unless a stop word may end it."""
        try:
            if not self._has_words:
                generation.wait()
            for step in generation:
                self._delta(step)
                if self._words.hit:
                    break
        finally:
            generation.cancel()
        return complete(self._last().answer)

    async def awhole(self, generation: Generation) -> Answer:
        """As `whole`, for an event loop."""
        try:
            if not self._has_words:
                await generation.ended()
            async for step in generation:
                self._delta(step)
                if self._words.hit:
                    break
        finally:
            generation.cancel()
        return complete(self._last().answer)

    def _delta(self, step: Step) -> Delta:
        if step.token_ids and not self._first:
            self._first = step.time - self._begin
        self._latest = step.time
        self._ids += step.token_ids
        self._logprobs += step.logprobs
        self._prompt_logits = self._prompt_logits or step.prompt_logits
        self._cached = max(self._cached, step.cached_tokens)
        text = self._words.push(self._lead.push(self._text.push(step.token_ids)))
        self._finish = step.finish_reason or self._finish
        self._said.append(text)
        return Delta(text, step.token_ids)

    def _last(self) -> Delta:
        rest = "" if self._words.hit else self._words.push(self._unsaid()) + self._words.finish()
        self._said.append(rest)
        self._finish = "stop" if self._words.hit else self._finish
        return Delta(rest, (), self._answer())

    def _unsaid(self) -> str:
        return self._lead.push(self._text.finish()) + self._lead.finish()

    def _boxes(self, text: str) -> tuple[Box, ...]:
        if self._picture_size is None or self._box_scale is None:
            return ()
        return read_boxes(text, self._picture_size, self._box_scale)

    def _answer(self) -> Answer:
        text = "".join(self._said)
        return Answer(
            text=text,
            boxes=self._boxes(text),
            token_ids=tuple(self._ids),
            finish_reason=self._finish,
            prompt_tokens=self._prompt_tokens,
            media_tokens=self._media_tokens,
            cached_tokens=self._cached,
            timings=Timings(self._prepare_seconds, self._first, self._latest - self._begin),
            logprobs=tuple(self._logprobs),
            prompt_logits=self._prompt_logits,
        )


def complete(answer: Answer | None) -> Answer:
    """The answer, which the last delta carries.

    :raises EngineStoppedError: there is none.
    """
    if answer is None:
        raise EngineStoppedError("The engine ended without an answer.", "Ask again.")
    return answer
