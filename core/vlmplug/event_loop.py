"""Waiting for coroutines: from ordinary code, also where an event loop runs in this thread already; and for several."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

from vlmplug.workers import Workers

T = TypeVar("T")


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns or raises; it runs in a loop and a thread of its own.

    Whatever interrupts the waiting (Ctrl-C) cancels the coroutine and waits for its end.
    """
    begun: Future[Callable[[], object]] = Future()

    async def work() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        begun.set_result(lambda: task and loop.call_soon_threadsafe(task.cancel))
        return await coroutine

    thread = Workers(1, "vlmplug-loop")
    working = thread.submit(lambda: asyncio.run(work()))
    try:
        return working.result()
    finally:
        if not working.done():
            with contextlib.suppress(RuntimeError):  # it has just ended, and its loop is closed
                begun.result()()
        thread.close()


async def gathered(work: Iterable[Awaitable[T]]) -> list[T]:
    """What all of it returns, in order; it runs at the same time.

    The first error, and whoever cancels the waiting, cancels what is still under way.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
