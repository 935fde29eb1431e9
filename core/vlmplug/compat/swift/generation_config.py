"""``LmdeployGenerationConfig``: how to generate, with swift's names and defaults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from vlmplug.compat.swift.refusal import SwiftValueError
from vlmplug.errors import OptionError
from vlmplug.json_files import read_json_if_there
from vlmplug.nearest import did_you_mean
from vlmplug.number import is_whole
from vlmplug.sampling import Sampling
from vlmplug.tokenizer import Tokenizer

#: Where swift cut answers after 64 tokens unless told otherwise; what ``swift infer`` allowed.
MAX_NEW_TOKENS = 2048

_HIDDEN = "_sampled_temperature"
_MIRRORED = "stop_token_ids"


@dataclass
class LmdeployGenerationConfig:
    """How to generate; attributes may be changed at any time.

    - ``max_new_tokens``: at most this many.
    - ``temperature``: 0 is greedy. ``do_sample``: False sets the temperature to 0, True brings back the one before.
    - ``top_k``: 0 and -1 keep all. ``top_p``, ``repetition_penalty``: as everywhere.
    - ``n``: answers to a request; only 1.
    - ``stop_words``: ids that end an answer, or texts; `stop_token_ids` is the same list.
    - ``logprobs``: report the n likeliest tokens of each step.
    - ``random_seed``: same seed, same answer; None draws one from Python's `random` for each request.
    - ``skip_special_tokens``: whether special tokens of the answer are left out of its text.
    - ``ignore_eos``: generate exactly ``max_new_tokens`` tokens.

    :raises SwiftValueError: ``max_length`` is set. :raises OptionError: another name that there is not.
    """

    max_new_tokens: int = MAX_NEW_TOKENS
    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    n: int = 1
    stop_words: list[int | str] | None = None
    logprobs: int | None = None
    random_seed: int | None = None
    skip_special_tokens: bool = False
    do_sample: bool = True
    ignore_eos: bool = field(default=False, kw_only=True)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "max_length":
            raise SwiftValueError("`max_length` is not supported.", "Use `max_new_tokens`.")
        if name == _MIRRORED:
            name = "stop_words"
        if name not in _NAMES:
            raise OptionError(f"LmdeployGenerationConfig has no {name!r}.", did_you_mean(name, _NAMES))
        if name == "do_sample":
            self._sample(value)
        elif name == "temperature":
            object.__setattr__(self, _HIDDEN, value)
        elif name == "stop_words":
            value = [] if value is None else value
        elif name == "max_new_tokens" and value is None:
            value = MAX_NEW_TOKENS
        object.__setattr__(self, name, value)

    @property
    def stop_token_ids(self) -> list[int | str] | None:
        """The same as ``stop_words``."""
        return self.stop_words

    def _sample(self, value: Any) -> None:
        if not isinstance(value, bool):
            raise OptionError(f"do_sample is {value!r}.", "Give True or False.")
        object.__setattr__(self, "temperature", getattr(self, _HIDDEN) if value else 0.0)

    def sampling(self, tokenizer: Tokenizer, seed: int | None) -> Sampling:
        """The same for the engine.

        :param tokenizer: tells which stop words are single tokens. :param seed: where the configuration has none.
        :raises OptionError: a value of the wrong type or out of range; more than one answer.
        """
        if self.n != 1:
            raise OptionError(f"n is {self.n!r}.", "One answer a request; repeat the request, with other seeds.")
        stop_ids, words = _stops(self.stop_words or (), tokenizer)
        return Sampling(
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            top_k=0 if self.top_k == -1 else self.top_k,
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
            seed=self.random_seed if self.random_seed is not None else seed,
            stop_ids=stop_ids,
            stop_words=words,
            ignore_stop=self.ignore_eos,
            logprobs=self.logprobs,
        )


_NAMES = tuple(entry.name for entry in fields(LmdeployGenerationConfig))


def generation_config_of(folder: Path) -> LmdeployGenerationConfig:
    """What a checkpoint's ``generation_config.json`` says, where it says something; without that file the defaults.

    As Transformers reads that file: greedy unless it says ``do_sample``.

    :raises CheckpointError: the file is broken.
    """
    file = folder / "generation_config.json"
    if not file.is_file():
        return LmdeployGenerationConfig()
    said = {name: value for name, value in read_json_if_there(file).items() if name in _NAMES and value is not None}
    return LmdeployGenerationConfig(**{"do_sample": False, **said})


def _stops(given: Iterable[Any], tokenizer: Tokenizer) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Stop ids, and texts that no single token stands for."""
    ids: list[int] = []
    words: list[str] = []
    for stop in given:
        if is_whole(stop):
            ids.append(stop)
        elif not isinstance(stop, str) or not stop:
            raise OptionError(f"stop_words holds {stop!r}.", "Give ids, or texts.")
        elif stop in tokenizer.special_tokens:
            ids.append(tokenizer.special_tokens[stop])
        else:
            words.append(stop)
    return tuple(ids), tuple(words)
