"""What answers the requests of a benchmark."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from vlmplug.answer_stream import complete
from vlmplug.pipeline import Pipeline, Request


@dataclass(frozen=True)
class Reply:
    """One answer as it reached its reader; ``first_token`` is a moment of `time.perf_counter`.

    ``prompt_tokens`` counts media positions too, ``cached_tokens`` those of them that were reused.
    """

    first_token: float
    prompt_tokens: int
    media_tokens: int
    cached_tokens: int
    generated_tokens: int


class Target(Protocol):
    """Something that answers."""

    async def send(self, request: Request) -> Reply:
        """Sends one request and reads the answer to its end.

        :raises VlmplugError: there is none.
        """


class EngineTarget:
    """A model in this process, whose answers are read as they are generated."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def send(self, request: Request) -> Reply:
        """As `Target.send`."""
        first: float | None = None
        answer = None
        async with aclosing(self._pipeline.astream(request)) as deltas:
            async for delta in deltas:
                if first is None and delta.token_ids:
                    first = time.perf_counter()
                answer = delta.answer
        done = complete(answer)
        return Reply(
            first_token=time.perf_counter() if first is None else first,
            prompt_tokens=done.prompt_tokens,
            media_tokens=done.media_tokens,
            cached_tokens=done.cached_tokens,
            generated_tokens=done.generated_tokens,
        )
