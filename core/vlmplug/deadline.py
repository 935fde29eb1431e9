"""Work that must end in time: it runs in a thread of its own, and the caller goes on when the time is over.

The threads are daemons, so that work which never ends holds up neither a caller nor the end of the process. They are
kept for the next call, which makes a call about 15 microseconds longer instead of 60 and more for a new thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Threads that are kept for later calls; further ones end with their work.
_KEPT = 8
#: Longest wait in one go, in seconds: on some platforms an interrupt is heard only between two waits.
_SLICE = 1.0


class DeadlineError(Exception):
    """The work did not end in time; it goes on by itself, and what comes of it is dropped."""


def call_within(seconds: float | None, work: Callable[[], T]) -> T:
    """What ``work`` returns, or raises, traceback and all. It sees the caller's context variables.

    :param seconds: None: no deadline, and the work runs in the caller's own thread.
    :raises DeadlineError: it has not ended after ``seconds``.
    """
    if seconds is None:
        return work()
    try:
        worker = _idle_worker()
    except RuntimeError:  # no further thread can be started: the limit is reached, or Python is about to end
        return work()
    job = _Job(work)
    worker.begin(job)
    if not job.ended_within(seconds):
        raise DeadlineError
    return job.outcome()


class _Job(Generic[T]):
    """Work under way, and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work, self._context = work, copy_context()
        self._under_way = threading.Lock()
        self._under_way.acquire()
        self._result: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """In the worker."""
        try:
            self._result.append(self._context.run(self._work))
        except BaseException as error:  # it is raised again where the work was asked for
            self._error = error

    def end(self) -> None:
        """In the worker, when it is ready for other work."""
        self._under_way.release()

    def ended_within(self, seconds: float) -> bool:
        """Waits in the caller; whether the work ended."""
        end = time.monotonic() + seconds
        while not self._under_way.acquire(timeout=max(0.0, min(_SLICE, end - time.monotonic()))):
            if time.monotonic() >= end:
                return False
        return True

    def outcome(self) -> T:
        """What the work returned, or raised."""
        error, self._error = self._error, None
        if error is None:
            return self._result.pop()
        try:
            raise error
        finally:
            del error  # its traceback leads to this frame, which must not lead back to it


class _Worker:
    """A thread that runs one job after another."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job[Any]] = SimpleQueue()
        threading.Thread(target=self._serve, name="vlmplug-hooks", daemon=True).start()

    def begin(self, job: _Job[Any]) -> None:
        """Runs a job now; the worker must be idle."""
        self._jobs.put(job)

    def _serve(self) -> None:
        kept = True
        while kept:
            job = self._jobs.get()
            job.run()
            kept = len(_IDLE) < _KEPT
            if kept:
                _IDLE.append(self)
            job.end()
            del job  # what it holds may be large


#: Workers without a job. Shared by all hosts of a process on purpose: threads belong to the process.
_IDLE: deque[_Worker] = deque()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_IDLE.clear)  # threads do not live on in a forked child


def _idle_worker() -> _Worker:
    try:
        return _IDLE.pop()
    except IndexError:
        return _Worker()
