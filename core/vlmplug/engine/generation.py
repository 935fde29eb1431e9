"""One request under way: what the engine's loop puts in, and what the caller's thread takes out."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from lmdeploy.messages import EngineOutput, ResponseType

from vlmplug.errors import EngineError, EngineStoppedError, VlmplugError
from vlmplug.sampling import FinishReason, TokenLogprobs


@dataclass(frozen=True)
class Step:
    """What came out at once: new ids, and with the last step why it ended.

    The stop token is not among the ids. ``cached_tokens`` counts prompt tokens that were reused. ``prompt_logits``,
    where asked for, comes with the first step: raw values at the last prompt position, one for each vocabulary entry.
    """

    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprobs, ...] = ()
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0
    prompt_logits: tuple[float, ...] | None = None


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
    """A request under way: iterate it for its steps; `cancel` ends the engine's work on it.

    :raises VlmplugError: from the iteration, whatever ended the request; other libraries' errors are its cause.
    """

    def __init__(self) -> None:
        self._steps: queue.SimpleQueue[Step | VlmplugError] = queue.SimpleQueue()
        self._future: Future[None] | None = None
        self._unwanted = False

    def attach(self, future: Future[None]) -> None:
        """Ties the handle to the work in the engine's loop."""
        self._future = future
        future.add_done_callback(self._finished)

    def put(self, step: Step) -> None:
        """Called from the engine's loop."""
        self._steps.put(step)

    def _finished(self, future: Future[None]) -> None:
        if future.cancelled():
            self._steps.put(Step(finish_reason="cancelled") if self._unwanted else _closed_meanwhile())
        elif (error := future.exception()) is not None:
            self._steps.put(typed_error(error, "The engine failed on this request"))

    def cancel(self) -> None:
        """Ends the request; the iteration ends with a step of reason ``cancelled``. Repeating it is harmless."""
        self._unwanted = True
        if self._future is not None:
            self._future.cancel()

    def __iter__(self) -> Iterator[Step]:
        while True:
            step = self._steps.get()
            if isinstance(step, VlmplugError):
                raise step
            yield step
            if step.finish_reason is not None:
                return


def typed_error(error: BaseException, what: str) -> VlmplugError:
    """An error of ours as it is; anything else as the cause of one of ours."""
    if isinstance(error, VlmplugError):
        return error
    typed = EngineError(f"{what} ({type(error).__name__}: {error}).", "Report it with the traceback.")
    typed.__cause__ = error
    return typed


def _closed_meanwhile() -> EngineStoppedError:
    return EngineStoppedError("The engine was closed while it worked on this request.", "Send it to an open one.")
