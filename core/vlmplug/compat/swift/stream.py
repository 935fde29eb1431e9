"""``inference_stream_lmdeploy``: the answers to some requests as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import aclosing, suppress
from queue import SimpleQueue
from typing import Any, TypeAlias

from vlmplug.answer_stream import Delta
from vlmplug.compat.swift.call import UNDER_WAY, Call, Job, call_of
from vlmplug.compat.swift.engine import LmdeployEngine
from vlmplug.compat.swift.generation_config import LmdeployGenerationConfig
from vlmplug.compat.swift.generation_info import GenerationInfo
from vlmplug.compat.swift.progress import progress
from vlmplug.compat.swift.template import Template
from vlmplug.errors import VlmplugError
from vlmplug.pipeline import Prepared
from vlmplug.workers import Workers

#: Something new about a job: more of its answer, or what is left of it where its prompt was too long.
_Event: TypeAlias = "tuple[Job, Delta | dict[str, Any]]"


def inference_stream_lmdeploy(
    lmdeploy_engine: LmdeployEngine,
    template: Template,
    request_list: Sequence[Any],
    *,
    generation_config: LmdeployGenerationConfig | None = None,
    generation_info: dict[str, Any] | None = None,
    use_tqdm: bool = False,
    **kwargs: Any,
) -> Iterator[list[dict[str, Any] | None]]:
    """The answers as they come, all requests at the same time; works in a running event loop, too.

    Yields the same list each time: for each request a dict as `inference_lmdeploy` gives it, with the text so far, and
    None while there is none. Each text begins with the one before; the last one is the whole answer. Leaving the loop,
    or ``close()`` of the iterator, ends the engine's work.

    Parameters and errors are those of `inference_lmdeploy`; requests are read at once, and errors of the engine come
    out of the iteration.
    """
    call = call_of(lmdeploy_engine, template, request_list, generation_config, kwargs)
    if not request_list:
        return iter(())
    info = GenerationInfo(generation_info)

    def prepared(index: int, found: Prepared) -> None:
        info.prompted(len(found.engine_input.input_ids))

    return _responses(call, call.jobs(request_list, prepared), info, use_tqdm)


def _responses(
    call: Call, jobs: Sequence[Job], info: GenerationInfo, use_tqdm: bool
) -> Iterator[list[dict[str, Any] | None]]:
    responses: list[dict[str, Any] | None] = [None] * len(jobs)
    growing = [call.response(job) for job in jobs]
    feed = _Feed(call, jobs)
    try:
        with progress(len(jobs), use_tqdm) as advance:
            for job, found in feed:
                if isinstance(found, dict):
                    responses[job.index] = found
                    advance()
                else:
                    info.generated(growing[job.index].add(found))
                    if found.answer is not None:
                        info.finished()
                        advance()
                    responses[job.index] = growing[job.index].dict
                info.update()
                yield responses
    finally:
        feed.close()


class _Feed:
    """What happens to some jobs, as it happens; they run in an event loop and a thread of their own.

    :raises VlmplugError: from the iteration, the first error of a job; the others are cancelled then.
    """

    def __init__(self, call: Call, jobs: Sequence[Job]) -> None:
        self._call, self._jobs = call, jobs
        self._events: SimpleQueue[_Event | None] = SimpleQueue()
        self._begun: Future[Callable[[], object]] = Future()
        self._thread = Workers(1, "vlmplug-swift-stream")
        self._working = self._thread.submit(lambda: asyncio.run(self._work()))

    def __iter__(self) -> Iterator[_Event]:
        while (event := self._events.get()) is not None:
            yield event
        self._working.result()

    def close(self) -> None:
        """Ends the engine's work on the jobs; repeating it is harmless."""
        if not self._working.done():
            with suppress(RuntimeError):  # it has just ended, and its loop is closed
                self._begun.result()()
        self._thread.close()

    async def _work(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        self._begun.set_result(lambda: task and loop.call_soon_threadsafe(task.cancel))
        room = asyncio.Semaphore(UNDER_WAY)
        tasks = [asyncio.ensure_future(self._follow(job, room)) for job in self._jobs]
        try:
            await asyncio.gather(*tasks)
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._events.put(None)

    async def _follow(self, job: Job, room: asyncio.Semaphore) -> None:
        deltas: AsyncGenerator[Delta, None] = self._call.engine.model.pipeline.astream(job.request)
        try:
            async with room, aclosing(deltas):
                async for delta in deltas:
                    self._events.put((job, delta))
        except VlmplugError as error:
            self._events.put((job, self._call.excused(job, error)))
