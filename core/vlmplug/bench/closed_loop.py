"""Sending requests: so many at a time, the next one as soon as one has been answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from vlmplug.bench.target import Reply, Target
from vlmplug.errors import VlmplugError
from vlmplug.event_loop import gathered
from vlmplug.pipeline import Request


@dataclass(frozen=True)
class Sent:
    """One request and what became of it; ``begin`` and ``end`` are moments of `time.perf_counter`."""

    begin: float
    end: float
    outcome: Reply | VlmplugError


#: Called with each request that has ended.
Watch: TypeAlias = Callable[[Sent], None]


async def send_all(
    target: Target, requests: Sequence[Request], concurrency: int, watch: Watch | None = None
) -> list[Sent]:
    """Sends requests, ``concurrency`` of them at a time; one that fails is an outcome like any other.

    :returns: what became of each, in the order in which they ended.
    """
    waiting, ended = iter(requests), list[Sent]()

    def note(sent: Sent) -> None:
        ended.append(sent)
        if watch is not None:
            watch(sent)

    await gathered(_read(target, waiting, note) for _ in range(min(concurrency, len(requests))))
    return ended


async def _read(target: Target, waiting: Iterator[Request], note: Watch) -> None:
    """One reader, who sends a request when the one before has ended, until none waits any more."""
    for request in waiting:
        begin = time.perf_counter()
        outcome = await _outcome(target, request)
        note(Sent(begin, time.perf_counter(), outcome))


async def _outcome(target: Target, request: Request) -> Reply | VlmplugError:
    try:
        return await target.send(request)
    except VlmplugError as error:
        return error
