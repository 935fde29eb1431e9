"""Many requests at once: which of them start together, and how many are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from vlmplug.answer_stream import AnswerStream
from vlmplug.errors import VlmplugError
from vlmplug.request import Request
from vlmplug.sampling import Answer
from vlmplug.workers import Workers

if TYPE_CHECKING:
    from vlmplug.engine.generation import Generation

#: Requests of a batch that are prepared or answered at once; more would only fill the memory with pixels.
UNDER_WAY = 256


@dataclass(frozen=True)
class Begun:
    """A request in the engine's hands."""

    answer: AnswerStream
    generation: Generation

    async def whole(self) -> Answer:
        """The whole answer."""
        return await self.answer.awhole(self.generation)


Beginning: TypeAlias = "Begun | VlmplugError"


class Starter(Protocol):
    """Whoever hands requests to an engine; both calls take their time."""

    def begin(self, request: Request) -> Begun:
        """One request; raises what is wrong with it."""

    def begin_together(self, requests: Sequence[Request]) -> list[Beginning]:
        """Several in one go; errors stand in their places."""


class Batch:
    """Answers requests, each error in its request's place.

    Those without media are prepared in a row and start together: a prompt that comes later waits for up to sixteen
    steps of those that are there (lmdeploy's ``prefill_interval``). Pictures take long to prepare, so a request with
    some starts as soon as it is ready.
    """

    def __init__(self, starter: Starter, workers: Workers, requests: Sequence[Request]) -> None:
        self._starter, self._workers, self._requests = starter, workers, requests
        self._room = asyncio.Semaphore(UNDER_WAY)
        together = [number for number, request in enumerate(requests) if not request.conversation.media][:UNDER_WAY]
        self._places = {number: place for place, number in enumerate(together)}
        self._together = workers.submit(partial(starter.begin_together, [requests[number] for number in together]))

    async def answers(self) -> list[Answer | VlmplugError]:
        """In the order of the requests; being cancelled, it cancels them all."""
        tasks = [asyncio.ensure_future(self._answer(number)) for number in range(len(self._requests))]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            self._together.add_done_callback(_cancel_all)

    async def _answer(self, number: int) -> Answer | VlmplugError:
        async with self._room:
            try:
                return await (await self._begun(number)).whole()
            except VlmplugError as error:
                return error

    async def _begun(self, number: int) -> Begun:
        if number not in self._places:
            return await begin(self._workers, partial(self._starter.begin, self._requests[number]))
        beginning = (await asyncio.shield(asyncio.wrap_future(self._together)))[self._places[number]]
        if isinstance(beginning, VlmplugError):
            raise beginning
        return beginning


async def begin(workers: Workers, work: Callable[[], Begun]) -> Begun:
    """What ``work`` does in another thread; nothing stays begun if the caller is cancelled meanwhile."""
    begun = workers.submit(work)
    try:
        return await asyncio.wrap_future(begun)
    except asyncio.CancelledError:
        begun.add_done_callback(_cancel)
        raise


def _cancel(begun: Future[Begun]) -> None:
    if not begun.cancelled() and begun.exception() is None:
        begun.result().generation.cancel()


def _cancel_all(begun: Future[list[Beginning]]) -> None:
    if not begun.cancelled() and begun.exception() is None:
        for beginning in begun.result():
            if isinstance(beginning, Begun):
                beginning.generation.cancel()
