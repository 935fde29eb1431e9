"""What tests of a family's engine share: noise pictures, ways to open it, and what a native model says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from vlmplug.compat.swift import get_lmdeploy_engine, get_template, inference_lmdeploy
from vlmplug.conversation import Conversation, Message
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.model import EngineInput
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.sampling import Answer, Sampling

#: The pipeline of a setting, by the setting's name.
Opened = Callable[[str], Pipeline]
#: What a native model generates for a request.
Expected = Callable[[Pipeline, Request], tuple[int, ...]]


class Native(Protocol):
    """A language model that computes everything anew for each token."""

    def greedy(self, prompt: EngineInput, tokens: int) -> tuple[int, ...]:
        """The likeliest tokens that follow a prompt."""


def picture(seed: int) -> Image.Image:
    """A picture that tests tell from others."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), np.uint8)
    return Image.fromarray(noise).resize((70, 90))


def pictures(*seeds: int) -> tuple[Image.Image, ...]:
    """One for each seed."""
    return tuple(map(picture, seeds))


def greedy_request(*messages: Message, tokens: int, **sampling: Any) -> Request:
    """Exactly so many likeliest tokens."""
    chosen = Sampling(max_new_tokens=tokens, ignore_stop=True, temperature=0.0, **sampling)
    return Request(Conversation(messages), sampling=chosen)


def cpu_pipeline(
    model_type: str, folder: Path, tp: int = 1, session_length: int | None = None, **scheduler: Any
) -> Pipeline:
    """A checkpoint on the CPU with raw logits and, unless it is told otherwise, blocks of 16 tokens."""
    chosen = SchedulerOptions(**{"block_size": 16, "logprobs_mode": "logits", **scheduler})
    options = EngineOptions("cpu", tp=tp, threads=1, session_length=session_length, scheduler=chosen)
    return open_pipeline(model_type, folder, options)


def streamed(pipeline: Pipeline, requests: Mapping[str, Request]) -> dict[str, tuple[int, ...]]:
    """The tokens of each request, streamed one request after the other."""
    deltas = {name: pipeline.stream(request) for name, request in requests.items()}
    return {name: tuple(token for delta in parts for token in delta.token_ids) for name, parts in deltas.items()}


def logits(answer: object) -> npt.NDArray[np.float64]:
    """The last row of the prompt's logits, float64 [vocabulary].

    :raises TypeError: it is no answer.
    """
    if not isinstance(answer, Answer):
        raise TypeError(f"{answer!r} is no answer.")
    return np.asarray(answer.prompt_logits, np.float64)


def largest_difference(one: object, other: object) -> float:
    """Between the logits of two answers, as a share of the largest logit."""
    return float(np.abs(logits(one) - logits(other)).max() / np.abs(logits(one)).max())


class Settings(AbstractContextManager["Settings"]):
    """Opens a checkpoint's pipeline with one of several settings of the scheduler; one at a time is open."""

    def __init__(self, model_type: str, folder: Path, settings: Mapping[str, Mapping[str, Any]]) -> None:
        self._model_type, self._folder, self._settings = model_type, folder, settings
        self._current: dict[str, Pipeline] = {}

    def __call__(self, name: str) -> Pipeline:
        """The pipeline of a setting, with blocks of 16 tokens and raw logits."""
        if name not in self._current:
            self._close()
            scheduler = SchedulerOptions(block_size=16, logprobs_mode="logits", **self._settings[name])
            options = EngineOptions("cpu", threads=1, scheduler=scheduler)
            self._current[name] = open_pipeline(self._model_type, self._folder, options)
        return self._current[name]

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        while self._current:
            self._current.popitem()[1].close()


def remembered(native: Native) -> Expected:
    """What a native model says; each conversation is computed once."""
    known: dict[tuple[Any, ...], tuple[int, ...]] = {}

    def tokens(pipeline: Pipeline, asked: Request) -> tuple[int, ...]:
        prompt, count = pipeline.prepare(asked).engine_input, asked.sampling.max_new_tokens
        key = (prompt.input_ids, count, *(media.content_hash for media in prompt.media))
        if key not in known:
            known[key] = native.greedy(prompt, count)
        return known[key]

    return tokens


def swift_answers(model_type: str, template_type: str, folder: Path, picture: Path) -> list[str]:
    """What ms-swift's calls answer with a picture in a tag's place, inside of a tag and beside a text, and without."""
    settings = {"device_type": "cpu"}
    with get_lmdeploy_engine(model_type, model_id_or_path=str(folder), engine_kwargs=settings) as engine:
        template = get_template(template_type, engine.hf_tokenizer)
        engine.generation_config.max_new_tokens = 4
        engine.generation_config.temperature = 0
        rows = [
            {"query": "<image>Is it dark?", "images": [str(picture)]},
            {"query": f"<img>{picture}</img>Is it dark?"},
            {"query": "Is it dark?", "images": [str(picture)]},
            {"query": "Is it dark?"},
        ]
        return [row["response"] for row in inference_lmdeploy(engine, template, rows)]
