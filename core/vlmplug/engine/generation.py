"""One request under way: what the engine's loop puts in, and what the caller's thread takes out."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from lmdeploy.messages import EngineOutput, ResponseType

from vlmplug.errors import EngineError, EngineStoppedError, VlmplugError
from vlmplug.sampling import FinishReason, TokenLogprobs


@dataclass(frozen=True)
class Step:
    """What came out at once: new ids, and with the last step why it ended.

    The stop token is not among the ids. ``cached_tokens`` counts prompt tokens that were reused. ``prompt_logits``,
    where asked for, comes with the first step: raw values at the last prompt position, one for each vocabulary entry.
    ``time`` is that of `time.perf_counter` when it came out.
    """

    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprobs, ...] = ()
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0
    prompt_logits: tuple[float, ...] | None = None
    time: float = field(default_factory=time.perf_counter, compare=False)


def step_of(output: EngineOutput, stop: frozenset[int], full: bool) -> Step:
    """lmdeploy's output as a step.

    :param stop: ids that end the answer. ``full``: as many tokens are there as were asked for.
    """
    ids = tuple(output.token_ids)
    metrics = output.req_metrics
    finish: FinishReason | None = None
    if output.status == ResponseType.CANCEL:
        finish = "cancelled"
    elif output.status == ResponseType.FINISH:
        stopped = bool(ids) and ids[-1] in stop
        finish = "length" if full and not stopped else "stop"
        ids = ids[:-1] if stopped else ids
    logprobs = tuple(
        TokenLogprobs(token, row[token], row) for token, row in zip(ids, output.logprobs or (), strict=False)
    )
    return Step(ids, logprobs, finish, metrics.cached_tokens if metrics is not None else 0)


class Generation:
    """A request under way: its steps come with ``for`` or ``async for``; `cancel` ends the engine's work on it.

    :raises VlmplugError: from the iteration, whatever ended the request; other libraries' errors are its cause.
    """

    def __init__(self) -> None:
        self._steps: queue.SimpleQueue[Step | VlmplugError] = queue.SimpleQueue()
        self._future: Future[None] | None = None
        self._unwanted = self._stopped = False
        self.is_read = False
        """Whether somebody takes the steps as they come; else the engine spares itself most of them."""
        self._notify: Callable[[bool], None] = _nobody
        self._complete = self._abandoned = False

    def attach(self, future: Future[None]) -> None:
        """Ties the handle to the work in the engine's loop."""
        self._future = future
        future.add_done_callback(self._finished)

    def put(self, step: Step) -> None:
        """Called from the engine's loop.

        :raises asyncio.CancelledError: nobody wants it any more. Cancelling the task alone is not enough: `wait_for`,
            in which it waits for lmdeploy, loses a cancellation that comes together with a result (Python before 3.12).
        """
        if self._unwanted or self._stopped:
            raise asyncio.CancelledError
        self._put(step)

    def _put(self, step: Step | VlmplugError) -> None:
        if not self._abandoned:
            self._steps.put(step)
            self._complete = isinstance(step, VlmplugError) or step.finish_reason is not None
            self._notify(self._complete)

    def stop(self) -> None:
        """The engine closes: the request ends with `EngineStoppedError`."""
        self._stopped = True
        self._cancel()

    def abandon(self) -> None:
        """Nothing comes any more: for the end of the program, when only daemon threads can still be waiting.

        Woken up, they would raise, and Python would print that.
        """
        self._abandoned = True

    def _finished(self, future: Future[None]) -> None:
        self._future = None  # its traceback holds the engine
        if future.cancelled():
            self._put(Step(finish_reason="cancelled") if self._unwanted else _closed_meanwhile())
        elif (error := future.exception()) is not None:
            self._put(typed_error(error, "The engine failed on this request"))

    def cancel(self) -> None:
        """Ends the request; the iteration ends with a step of reason ``cancelled``. Repeating it is harmless."""
        self._unwanted = True
        self._cancel()

    def _cancel(self) -> None:
        future = self._future
        if future is not None:
            future.cancel()

    def __iter__(self) -> Iterator[Step]:
        self.is_read = True
        while True:
            step = self._steps.get()
            if isinstance(step, VlmplugError):
                raise step
            yield step
            if step.finish_reason is not None:
                return

    def __aiter__(self) -> AsyncIterator[Step]:
        self.is_read = True
        new = asyncio.Event()
        self._tell(lambda complete: True, new)
        return _Arrivals(self._steps, new)

    def wait(self) -> None:
        """Returns when the last step has come; waking up once spares the engine's thread a good part of its time."""
        end = threading.Event()
        self._notify = lambda complete: end.set() if complete else None
        self._notify(self._complete)
        end.wait()

    async def ended(self) -> None:
        """As `wait`, for an event loop."""
        end = asyncio.Event()
        self._tell(lambda complete: complete, end)
        await end.wait()

    def _tell(self, concerns: Callable[[bool], bool], event: asyncio.Event) -> None:
        """Sets an event of the running loop behind each step that concerns it, and now, for those that came before."""
        loop = asyncio.get_running_loop()

        def notify(complete: bool) -> None:
            if concerns(complete):
                with contextlib.suppress(RuntimeError):  # that loop was closed: nobody waits any more
                    loop.call_soon_threadsafe(event.set)

        self._notify = notify
        notify(self._complete)


class _Arrivals:
    """The steps of a generation, waited for in an event loop; ``new`` is set behind each."""

    def __init__(self, steps: queue.SimpleQueue[Step | VlmplugError], new: asyncio.Event) -> None:
        self._steps, self._new = steps, new
        self._ended = False

    def __aiter__(self) -> AsyncIterator[Step]:
        return self

    async def __anext__(self) -> Step:
        if self._ended:
            raise StopAsyncIteration
        while self._steps.empty():
            self._new.clear()
            if self._steps.empty():
                await self._new.wait()
        step = self._steps.get_nowait()
        if isinstance(step, VlmplugError):
            raise step
        self._ended = step.finish_reason is not None
        return step


def _nobody(complete: bool) -> None:
    """Nobody waits in an event loop."""


def typed_error(error: BaseException, what: str) -> VlmplugError:
    """An error of ours as it is; anything else as the cause of one of ours."""
    if isinstance(error, VlmplugError):
        return error
    typed = EngineError(f"{what} ({type(error).__name__}: {error}).", "Report it with the traceback.")
    typed.__cause__ = error
    return typed


def _closed_meanwhile() -> EngineStoppedError:
    return EngineStoppedError("The engine was closed while it worked on this request.", "Send it to an open one.")
