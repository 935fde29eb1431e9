"""Waiting for a coroutine from ordinary code, also where an event loop runs in this thread already."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
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
