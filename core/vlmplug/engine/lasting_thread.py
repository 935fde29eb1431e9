"""A thread for blocking work that goes on while the interpreter ends.

Python shuts its own executors down before it waits for the last threads of the program, and before it calls what
`atexit` registered. An engine works until then.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from vlmplug.workers import Workers

T = TypeVar("T")
P = ParamSpec("P")


class LastingThread(ThreadPoolExecutor):
    """An executor with one thread. Event loops take no default executor that is not a `ThreadPoolExecutor`.

    :param begin: called in the thread before anything else.
    """

    def __init__(self, name: str, begin: Callable[[], object] | None = None) -> None:
        super().__init__(1)
        self._workers = Workers(1, name)
        if begin is not None:
            self._workers.submit(begin)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """What a call returns or raises, later."""
        return self._workers.submit(partial(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the thread after the calls that were submitted, which are few; with ``wait`` it returns then."""
        super().shutdown(wait=False)
        if wait:
            self._workers.close()
