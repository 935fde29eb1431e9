"""Answers the rows of a file, many at once, in bounded memory; a bad row stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from vlmplug.errors import EngineError, VlmplugError
from vlmplug.event_loop import gathered, run_apart
from vlmplug.pipeline import Request
from vlmplug.rows.row import Row
from vlmplug.sampling import Answer

#: Rows that are read, prepared or answered at once; it bounds the memory, and keeps the engine's batches full.
UNDER_WAY = 64
#: Engines that fail on rows one by one, without an answer in between, before it is no longer put down to the rows.
_FAILURES = 3

#: What a row asks.
Reader = Callable[[Row], Request]


class Answerer(Protocol):
    """A `vlmplug.pipeline.Pipeline`, as far as it matters here."""

    async def agenerate(self, request: Request) -> Answer:
        """The whole answer."""


class Sink(Protocol):
    """Takes what came of the rows, in the order in which it came."""

    def answered(self, row: Row, answer: Answer) -> None:
        """A row and its answer."""

    def rejected(self, row: Row, error: VlmplugError) -> None:
        """A row that cannot be answered, and why."""


class RowRun:
    """One pass over rows.

    :param reader: what a row asks; raises `VlmplugError` where that cannot be told.
    """

    def __init__(self, answerer: Answerer, reader: Reader, sink: Sink) -> None:
        self._answerer, self._reader, self._sink = answerer, reader, sink
        self._again: list[Row] = []
        self._failures = 0

    def run(self, rows: Iterable[Row]) -> None:
        """Returns when each row was answered or rejected. Ctrl-C ends it; what was answered stays.

        A row under which the engine failed is asked once more, alone, because another may have been at fault.

        :raises EngineError: the engine fails whatever it is asked.
        """
        run_apart(self._run(iter(rows)))

    async def _run(self, rows: Iterator[Row]) -> None:
        await gathered(self._work(rows) for _ in range(UNDER_WAY))
        self._failures = 0
        for row in self._again:
            await self._answer(row, self._give_up)

    async def _work(self, rows: Iterator[Row]) -> None:
        for row in rows:
            await self._answer(row, self._put_off)

    async def _answer(self, row: Row, failed: Callable[[Row, EngineError], None]) -> None:
        try:
            answer = await self._answerer.agenerate(self._reader(row))
        except EngineError as error:
            self._failures += 1
            failed(row, error)
        except VlmplugError as error:
            self._sink.rejected(row, error)
        else:
            self._failures = 0
            self._sink.answered(row, answer)

    def _put_off(self, row: Row, error: EngineError) -> None:
        if self._failures > _FAILURES * UNDER_WAY:  # one failure of the engine ends all rows that are under way
            raise error
        self._again.append(row)

    def _give_up(self, row: Row, error: EngineError) -> None:
        if self._failures > _FAILURES:
            raise error
        self._sink.rejected(row, error)


def result_of(row: Mapping[str, Any], answer: Answer, system: str | None, label: str | None) -> dict[str, Any]:
    """The line of a result: the row as it was, with ``response``, and ``label`` where it expected an answer."""
    own = {key: value for key, value in row.items() if key not in ("response", "vlmplug")}
    base: dict[str, Any] = {"system": system, "query": None, "history": []} if "query" in own else {}
    expected = {} if label is None else {"label": label}
    return {**base, **own, "response": answer.text, **expected}


def told_of(answer: Answer) -> dict[str, Any]:
    """What is said about an answer besides its text."""
    return {
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "media_tokens": answer.media_tokens,
        "generated_tokens": answer.generated_tokens,
        "seconds": answer.timings.total,
        **({"boxes": boxes_of(answer)} if answer.boxes else {}),
    }


def boxes_of(answer: Answer) -> list[dict[str, Any]]:
    """The places that an answer names, as JSON holds them: label, and corners in pixels."""
    return [{"label": box.label, "corners": [list(corner) for corner in box.corners]} for box in answer.boxes]
