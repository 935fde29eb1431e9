"""The text of an answer as it grows, and what a caller gets of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlmplug.answer_lead import AnswerLead
from vlmplug.answer_stream import Delta
from vlmplug.compat.swift.dialogue import Dialogue
from vlmplug.model import FamilyModel
from vlmplug.sampling import Answer, Sampling, TokenLogprobs
from vlmplug.stop_words import StopWords
from vlmplug.tokenizer import TextStream


class ResponseText:
    """Text of the ids that were generated, cut at stop words; never half a character.

    :param model: its `FamilyModel.answer_lead` is left out: the history gives it back.
    :param skip_special_tokens: whether special tokens are left out.
    """

    def __init__(self, model: FamilyModel, stop_words: Sequence[str], skip_special_tokens: bool) -> None:
        self._stream, self._lead = TextStream(model.tokenizer, skip_special_tokens), AnswerLead(model.answer_lead)
        self._words = StopWords(tuple(stop_words))
        self.text = ""

    def push(self, ids: Sequence[int]) -> None:
        """Adds ids."""
        self.text += self._words.push(self._lead.push(self._stream.push(ids)))

    def finish(self) -> bool:
        """Adds what was held back; whether no stop word has ended the text."""
        if not self._words.hit:
            rest = self._lead.push(self._stream.finish()) + self._lead.finish()
            self.text += self._words.push(rest) + self._words.finish()
        return not self._words.hit


class Response:
    """One answer on its way: its dict, and how many ids were generated."""

    def __init__(self, dialogue: Dialogue, model: FamilyModel, sampling: Sampling, skip_special_tokens: bool) -> None:
        self._dialogue = dialogue
        self._text = ResponseText(model, sampling.stop_words, skip_special_tokens)
        self._reports = sampling.logprobs is not None
        self._logprobs: list[dict[int, float]] | None = None

    def add(self, delta: Delta) -> int:
        """Takes in new ids; how many were generated, the stop token counted."""
        self._text.push(delta.token_ids)
        if delta.answer is None:
            return len(delta.token_ids)
        return len(delta.token_ids) + self._end(delta.answer)

    def take(self, answer: Answer) -> int:
        """Takes in a whole answer; how many ids were generated, the stop token counted."""
        self._text.push(answer.token_ids)
        return len(answer.token_ids) + self._end(answer)

    def _end(self, answer: Answer) -> int:
        """Ends the text; 1 where a token has stopped it."""
        by_token = self._text.finish() and answer.finish_reason == "stop"
        if self._reports:
            self._logprobs = [_row(step) for step in answer.logprobs]
        return int(by_token)

    @property
    def dict(self) -> dict[str, Any]:
        """What the caller gets, in a new dict: ``response``, ``history``, and at the end ``logprobs`` if asked for."""
        text = self._text.text
        more = {} if self._logprobs is None else {"logprobs": self._logprobs}
        return {"response": text, "history": self._dialogue.answered(text), **more}


def _row(step: TokenLogprobs) -> dict[int, float]:
    return {**step.top, step.token_id: step.logprob}


def empty_response(dialogue: Dialogue) -> dict[str, Any]:
    """What the caller gets where a prompt was too long."""
    return {"response": "", "history": dialogue.unanswered()}
