"""Drive lmdeploy's engine directly: token ids in, tokens out, one engine in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from lmdeploy.messages import EngineOutput, EventType, GenerationConfig, ResponseType
from lmdeploy.pytorch.engine import Engine
from lmdeploy.utils import get_logger

from vlmplug.engine import faults
from vlmplug.engine.cpu.config import CpuEngineOptions, cpu_engine_config
from vlmplug.engine.cpu.install import install

T = TypeVar("T")

get_logger("lmdeploy").setLevel("CRITICAL")


@dataclass(frozen=True)
class Request:
    """One request; ``config`` are fields of lmdeploy's ``GenerationConfig`` besides the greedy defaults."""

    ids: Sequence[int]
    tokens: int = 8
    config: dict[str, Any] = field(default_factory=dict)


@dataclass
class Answer:
    """What the engine gave for one request."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[dict[int, float]] = field(default_factory=list)
    logits: torch.Tensor | None = None
    cached: int = 0
    scheduled: int = 0
    status: ResponseType = ResponseType.SUCCESS

    def add(self, output: EngineOutput) -> None:
        self.tokens += output.token_ids
        self.logprobs += output.logprobs or []
        self.logits = output.logits if output.logits is not None else self.logits
        self.status = output.status
        if output.req_metrics is not None:
            self.cached = max(self.cached, output.req_metrics.cached_tokens)
            events = output.req_metrics.engine_events
            self.scheduled = max(self.scheduled, sum(event.type == EventType.SCHEDULED for event in events))


class Driver:
    """One engine on the CPU over the checkpoint in a folder."""

    def __init__(
        self, folder: Path, options: CpuEngineOptions, prepare: Callable[[Engine], None] | None = None
    ) -> None:
        install()
        faults.install()
        self._sessions = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.engine: Engine = self._call(lambda: Engine(str(folder), cpu_engine_config(options)))
        if prepare is not None:
            prepare(self.engine)
        self._call(self.engine.start)

    def ask(self, *requests: Request) -> list[Answer]:
        """The answers of requests sent at the same moment."""

        async def together() -> list[Answer]:
            return await asyncio.gather(*(self.answer(request) for request in requests))

        return self.run(together())

    def tokens(self, *prompts: Sequence[int], tokens: int = 8) -> list[list[int]]:
        """Greedy tokens of prompts sent at the same moment."""
        return [answer.tokens for answer in self.ask(*(Request(ids, tokens) for ids in prompts))]

    @staticmethod
    def scoring(ids: Sequence[int], **config: Any) -> Request:
        """A request for the logits of its prompt, without new tokens."""
        return Request(ids, 0, {"output_logits": "all", **config})

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs on the engine's event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=60)

    async def answer(self, request: Request) -> Answer:
        """The answer of one request; to be awaited on the engine's event loop."""
        answer = Answer()
        async for output in self.stream(request):
            answer.add(output)
        return answer

    def stream(self, request: Request, session: int | None = None) -> Any:
        """The engine's own stream of one request; to be used on the engine's event loop."""
        greedy = {"do_sample": False, "top_k": 1, "ignore_eos": True}
        config = GenerationConfig(max_new_tokens=request.tokens, **{**greedy, **request.config})
        instance = self.engine.create_instance()
        return instance.async_stream_infer(session or next(self._sessions), list(request.ids), gen_config=config)

    def close(self) -> None:
        """End the engine and its thread."""

        async def stop() -> None:
            self.engine.close()
            with contextlib.suppress(asyncio.CancelledError):
                await self.engine.wait_tasks()

        self.run(stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def _call(self, function: Callable[[], T]) -> T:
        result: Future[T] = Future()

        def call() -> None:
            try:
                result.set_result(function())
            except Exception as error:
                result.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return result.result(timeout=120)
