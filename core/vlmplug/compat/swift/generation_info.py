"""``generation_info``: what a call has cost, in the caller's own dict."""

from __future__ import annotations

import threading
import time
from typing import Any

from vlmplug.errors import OptionError


class GenerationInfo:
    """Counts into a dict, with swift's keys; from several threads at once.

    - ``num_prompt_tokens``: ids of the prompts, media counted. ``num_generated_tokens``: stop tokens counted.
    - ``num_samples``: requests that were answered. ``runtime``: seconds, everything included.
    - ``samples/s``, ``tokens/s``: the same by time.

    :param given: the caller's dict, which is emptied; None: nobody wants to know.
    :raises OptionError: it is none.
    """

    def __init__(self, given: Any) -> None:
        if given is not None and not isinstance(given, dict):
            raise OptionError(f"generation_info is a {type(given).__name__}.", "Give a dict.")
        self._start = time.perf_counter()
        self._info: dict[str, Any] = {} if given is None else given
        self._lock = threading.Lock()
        self._finished = 0
        self._info.clear()
        self._info.update(num_prompt_tokens=0, num_generated_tokens=0, num_samples=0)

    def prompted(self, tokens: int) -> None:
        """A prompt went to the engine."""
        with self._lock:
            self._info["num_prompt_tokens"] += tokens
            self._info["num_samples"] += 1

    def generated(self, tokens: int) -> None:
        """So many more ids came out."""
        with self._lock:
            self._info["num_generated_tokens"] += tokens

    def finished(self) -> None:
        """A request was answered."""
        with self._lock:
            self._finished += 1

    def update(self) -> None:
        """Brings times and rates up to now."""
        with self._lock:
            runtime = time.perf_counter() - self._start
            self._info["runtime"] = runtime
            self._info["samples/s"] = self._finished / runtime
            self._info["tokens/s"] = self._info["num_generated_tokens"] / runtime
