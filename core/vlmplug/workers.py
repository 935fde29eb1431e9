"""Threads for blocking work; being daemons, they do not hold up the end of the program, as a slow download would."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

_Jobs: TypeAlias = "SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]"


class Workers:
    """Runs jobs, in their order, in threads of its own, which begin when they are needed and end with this object.

    :param count: threads at the most. ``name``: of each of them.
    """

    def __init__(self, count: int, name: str) -> None:
        self._name, self._count = name, count
        self._jobs: _Jobs = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, _end, self._jobs, self._threads)

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """What a job returns or raises, later; cancelled before its turn it never runs.

        :raises RuntimeError: closed, or the system gives no further thread.
        """
        future: Future[T] = Future()
        with self._lock:
            if not self._end.alive:
                raise RuntimeError("These workers were closed.")
            self._hire()
            self._jobs.put((future, job))
        return future

    def close(self) -> None:
        """Waits for the jobs that were submitted, and ends the threads; repeating it is harmless."""
        with self._lock:
            self._end()
        for thread in self._threads:
            thread.join()

    def _hire(self) -> None:
        if len(self._threads) == self._count:
            return
        thread = threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True)
        thread.start()
        self._threads.append(thread)


def _work(jobs: _Jobs) -> None:
    while (taken := jobs.get()) is not None:
        _run(*taken)
        del taken  # a job holds pictures


def _run(future: Future[Any], job: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = job()
    except BaseException as error:  # whoever waits for the future gets it, as from concurrent.futures
        future.set_exception(error)
    else:
        future.set_result(result)


def _end(jobs: _Jobs, threads: list[threading.Thread]) -> None:
    for _ in threads:
        jobs.put(None)
