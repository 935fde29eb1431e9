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
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Threads that are kept for later calls; further ones end with their work.
_KEPT = 8
#: Longest wait in one go, in seconds: on some platforms an interrupt is heard only between two waits.
_SLICE = 0.1


class DeadlineError(Exception):
    """The work did not end in time; it goes on by itself, and what comes of it is dropped."""


def call_within(seconds: float | None, work: Callable[[], T]) -> T:
    """What ``work`` returns, or raises, traceback and all. It sees the caller's context variables.

    :param seconds: None: no deadline, and the work runs in the caller's own thread.
    :raises DeadlineError: it has not ended after ``seconds``.
    """
    if seconds is None:
        return work()
    watch: _Watch | None = getattr(_THREAD, "watch", None)
    return _in_worker(work, _Watch(time.monotonic() + seconds)) if watch is None else watch.call(seconds, work)


def call_watched(work: Callable[[], T]) -> T:
    """As ``work``, which makes many calls with deadlines: they run one after the other in a single thread.

    Handing a call over to a thread and back takes longer than most hooks do.

    :raises DeadlineError: one of the calls has not ended in time; neither ``work`` nor its caller learns which.
    """
    watch = _Watch(None)
    return _in_worker(partial(_watched, watch, work), watch)


def _watched(watch: _Watch, work: Callable[[], T]) -> T:
    _THREAD.watch = watch
    try:
        return work()
    finally:
        del _THREAD.watch


def _in_worker(work: Callable[[], T], watch: _Watch) -> T:
    try:
        worker = _idle_worker()
    except RuntimeError:  # no further thread can be started: the limit is reached, or Python is about to end
        return work()
    job = _Job(work, watch)
    worker.begin(job)
    if not job.ended_in_time():
        raise DeadlineError
    return job.outcome()


class _Watch:
    """When the calls that are under way in one thread have to end, by `time.monotonic`; None: whenever they like."""

    def __init__(self, end: float | None) -> None:
        self.end = end

    def call(self, seconds: float, work: Callable[[], T]) -> T:
        """What ``work`` returns; whoever waits for the thread knows until when."""
        outer, end = self.end, time.monotonic() + seconds
        self.end = end if outer is None else min(outer, end)
        try:
            return work()
        finally:
            self.end = outer

    @property
    def remaining(self) -> float:
        """Seconds to wait before looking again, at most `_SLICE`."""
        return _SLICE if self.end is None else max(0.0, min(_SLICE, self.end - time.monotonic()))

    @property
    def is_over(self) -> bool:
        """Whether a call has not ended in time."""
        return self.end is not None and time.monotonic() >= self.end


#: The ``watch`` of each thread that runs calls one after the other.
_THREAD = threading.local()


class _Job(Generic[T]):
    """Work under way, and what came of it."""

    def __init__(self, work: Callable[[], T], watch: _Watch) -> None:
        self._work, self._watch, self._context = work, watch, copy_context()
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

    def ended_in_time(self) -> bool:
        """Waits in the caller; whether the work ended."""
        while not self._under_way.acquire(timeout=self._watch.remaining):
            if self._watch.is_over:
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
