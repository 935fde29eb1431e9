"""The forward cases of a reference set as requests for the engine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmplug.model import EngineInput, FamilyModel, MediaBatch
from vlmplug.pipeline import Request
from vlmplug.prompt import RenderedPrompt
from vlmplug.sampling import Answer, Sampling
from vlmplug.verify.golden_request import prompt_request
from vlmplug.verify.goldens import GoldenSet
from vlmplug.verify.set_reader import read_golden_set


@dataclass(frozen=True)
class Reference:
    """One checkpoint of a reference set."""

    folder: Path
    checkpoint: str

    @cached_property
    def golden(self) -> GoldenSet:
        """The whole set."""
        return read_golden_set(self.folder)

    @cached_property
    def greedy(self) -> dict[str, tuple[int, ...]]:
        """Prompt id -> the 24 ids that the official code generates."""
        cases = self.golden.forward
        return {case.prompt: case.greedy for case in cases if case.checkpoint == self.checkpoint}

    def request(self, prompt: str, **sampling: Any) -> Request:
        """A conversation of the set, greedy for 24 tokens unless ``sampling`` says otherwise."""
        chosen = Sampling(**{"max_new_tokens": 24, "ignore_stop": True, **sampling})
        return prompt_request(self.golden, self.golden.prompts[self.checkpoint, prompt], chosen)


def ids(answer: object) -> tuple[int, ...]:
    """The generated ids of what must be an answer, not an error."""
    assert isinstance(answer, Answer), answer
    return answer.token_ids


def prepared(hooks: Any, model: FamilyModel, request: Request) -> tuple[RenderedPrompt, EngineInput]:
    """What a plugin's hooks make of a request."""
    conversation = request.conversation.opened()
    prompt = hooks.render_prompt(model, conversation, request.options)
    inputs = hooks.preprocess_media(model, MediaBatch(conversation.media, prompt.items))
    return prompt, hooks.inject_vision_tokens(model, prompt, inputs)
