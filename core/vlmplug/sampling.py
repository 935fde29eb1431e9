"""How an answer is generated, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vlmplug.errors import OptionError
from vlmplug.grounding import Box
from vlmplug.number import check_whole, is_number, is_whole

FinishReason = Literal["stop", "length", "cancelled"]

#: Above every context length and every vocabulary.
_MOST = 10_000_000


@dataclass(frozen=True)
class SamplingDefaults:
    """What a checkpoint's ``generation_config.json`` says; None: it says nothing."""

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    do_sample: bool | None = None

    @property
    def sampling(self) -> Sampling:
        """How the checkpoint asks to be sampled: greedily unless it says ``do_sample``.

        Without that, temperature, top_k and top_p are leftovers; with it, a temperature that is not given is 1.

        :raises OptionError: it says something that is out of range.
        """
        names = ("temperature", "top_k", "top_p", "repetition_penalty") if self.do_sample else ("repetition_penalty",)
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return Sampling(**{"temperature": 1.0, **given} if self.do_sample else given)


@dataclass(frozen=True)
class Sampling:
    """How to choose the next token, and when to stop.

    - ``max_new_tokens``: at most this many; the answer may end earlier.
    - ``temperature``: 0 is greedy; at most 2. ``top_k``: 0 keeps all. ``top_p``: nucleus mass, in (0, 1].
    - ``seed``: same seed, same answer, whatever else is in the batch; None draws one.
    - ``stop_ids``, ``stop_words``: end the answer in addition to the family's own stop tokens.
    - ``ignore_stop``: generate exactly ``max_new_tokens`` tokens.
    - ``logprobs``: report the chosen token and the n likeliest at each step.
    - ``prompt_logits``: report the raw logits at the last prompt position (a float for each vocabulary entry); needs
      an engine with ``logprobs_mode="logits"``.
    - ``json_schema``: the answer is JSON that fits this schema.

    :raises OptionError: a value of another type, or out of range.
    """

    max_new_tokens: int = 1024
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop_ids: tuple[int, ...] = ()
    stop_words: tuple[str, ...] = ()
    ignore_stop: bool = False
    logprobs: int | None = None
    prompt_logits: bool = False
    json_schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_whole("max_new_tokens", self.max_new_tokens, 1, _MOST)
        _within("temperature", self.temperature, 0.0, 2.0)
        check_whole("top_k", self.top_k, 0, _MOST)
        _within("top_p", self.top_p, 1e-6, 1.0)
        _within("repetition_penalty", self.repetition_penalty, 1e-3, 100.0)
        if self.logprobs is not None:
            check_whole("logprobs", self.logprobs, 1, _MOST)
        if self.seed is not None and not is_whole(self.seed):
            raise OptionError(f"seed is {self.seed!r}.", "Give a whole number.")
        _all_of("stop_ids", self.stop_ids, int)
        _all_of("stop_words", self.stop_words, str)
        if not all(self.stop_words):
            raise OptionError(f"stop_words is {self.stop_words!r}.", "Leave the empty text out.")
        if self.json_schema is not None and not isinstance(self.json_schema, Mapping):
            raise OptionError(f"json_schema is a {type(self.json_schema).__name__}.", "Give the schema as a mapping.")

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is always taken."""
        return self.temperature == 0.0


@dataclass(frozen=True)
class TokenLogprobs:
    """One generated token: its own log probability and the likeliest ones, id to log probability."""

    token_id: int
    logprob: float
    top: Mapping[int, float]


@dataclass(frozen=True)
class Timings:
    """Seconds, wall clock: preparing the request, until the first token, and in all."""

    prepare: float = 0.0
    first_token: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class Answer:
    """A finished answer.

    ``text`` holds no special tokens, but for names and places (``<ref>``, ``<box>``) of models that know them.
    ``boxes`` are these places in pixels of the prompt's last picture. ``token_ids`` holds every generated id except the
    stop token. ``prompt_tokens`` counts media positions too, ``media_tokens`` only those, ``cached_tokens`` what was
    reused.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    prompt_tokens: int
    media_tokens: int
    cached_tokens: int = 0
    timings: Timings = field(default_factory=Timings)
    logprobs: tuple[TokenLogprobs, ...] = ()
    prompt_logits: tuple[float, ...] | None = None
    boxes: tuple[Box, ...] = ()

    def __str__(self) -> str:
        return self.text

    @property
    def text_tokens(self) -> int:
        """Positions of the prompt that hold text."""
        return self.prompt_tokens - self.media_tokens

    @property
    def generated_tokens(self) -> int:
        """Generated tokens, the stop token not counted."""
        return len(self.token_ids)

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens per second after the first one; 0 where there is no second one."""
        seconds = self.timings.total - self.timings.first_token
        return (self.generated_tokens - 1) / seconds if self.generated_tokens > 1 and seconds > 0 else 0.0


def _all_of(name: str, values: object, kind: type) -> None:
    if not isinstance(values, tuple) or not all(type(value) is kind for value in values):
        raise OptionError(f"{name} is {values!r}.", f"Give a tuple of {kind.__name__}.")


def _within(name: str, value: object, low: float, high: float) -> None:
    if not is_number(value) or not low <= value <= high:
        raise OptionError(f"{name} is {value!r}.", f"Give a number from {low} to {high}.")
