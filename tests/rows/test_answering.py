"""All rows are answered or set aside, few at once, and an engine that fails is not put down to the rows beside it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from vlmplug.conversation import Conversation, user_message
from vlmplug.errors import EngineStoppedError, MediaError, OptionError, RequestError, VlmplugError
from vlmplug.grounding import Box
from vlmplug.pipeline import Request
from vlmplug.rows.answering import UNDER_WAY, RowRun, result_of, told_of
from vlmplug.rows.row import Row
from vlmplug.sampling import Answer


def answer_to(text: str) -> Answer:
    return Answer(text=text.upper(), token_ids=(1, 2), finish_reason="stop", prompt_tokens=5, media_tokens=3)


class Model:
    """Answers with capital letters. ``poison``: texts that end the engine, and with it all that is under way."""

    def __init__(self, poison: frozenset[str] = frozenset(), broken: bool = False) -> None:
        self.asked: Counter[str] = Counter()
        self.most = 0
        self._poison, self._broken = poison, broken
        self._under_way: set[asyncio.Future[None]] = set()

    async def agenerate(self, request: Request) -> Answer:
        """As `Answerer.agenerate`."""
        text = request.conversation.turns[0].text
        self.asked[text] += 1
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.add(ended)
        self.most = max(self.most, len(self._under_way))
        try:
            await asyncio.sleep(0.001)
            if text in self._poison or self._broken:
                for other in self._under_way - {ended}:
                    other.done() or other.set_exception(EngineStoppedError("The engine ended."))
                raise EngineStoppedError("The engine ended.")
            await asyncio.sleep(0.001)
            if ended.done():
                ended.result()
            return answer_to(text)
        finally:
            self._under_way.discard(ended)
            if ended.done():
                ended.exception()


class Kept:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.answers: dict[int, str] = {}
        self.errors: dict[int, VlmplugError] = {}

    def answered(self, row: Row, answer: Answer) -> None:
        """As `Sink.answered`."""
        assert row.line not in self.answers
        self.answers[row.line] = answer.text

    def rejected(self, row: Row, error: VlmplugError) -> None:
        """As `Sink.rejected`."""
        assert row.line not in self.errors
        self.errors[row.line] = error


def ask(row: Row) -> Request:
    text = row.content.decode()
    if text.startswith("bad"):
        raise MediaError("It is broken.")
    return Request(Conversation((user_message(text),)))


def rows(count: int) -> Iterator[Row]:
    return (Row(line, f"{'bad ' if line % 10 == 0 else ''}row {line}".encode()) for line in range(1, count + 1))


def test_all_are_answered_or_set_aside_with_few_under_way() -> None:
    model, kept = Model(), Kept()
    RowRun(model, ask, kept).run(rows(500))
    assert set(kept.errors) == {line for line in range(1, 501) if line % 10 == 0}
    assert kept.answers == {line: f"ROW {line}" for line in range(1, 501) if line % 10}
    assert model.most == UNDER_WAY
    assert set(model.asked.values()) == {1}


def test_rows_are_read_when_there_is_room() -> None:
    read: list[int] = []

    def watched() -> Iterator[Row]:
        for row in rows(500):
            read.append(row.line)
            yield row

    class Watching(Kept):
        def answered(self, row: Row, answer: Answer) -> None:
            super().answered(row, answer)
            assert len(read) <= len(self.answers) + len(self.errors) + UNDER_WAY

    RowRun(Model(), ask, Watching()).run(watched())
    assert len(read) == 500


def test_a_row_that_ends_the_engine_is_found_and_hurts_no_other() -> None:
    model, kept = Model(frozenset({"row 33"})), Kept()
    RowRun(model, ask, kept).run(rows(150))
    assert [line for line, error in kept.errors.items() if not isinstance(error, RequestError)] == [33]
    assert len(kept.answers) == 150 - 15 - 1
    assert model.asked["row 33"] == 2


def test_an_engine_that_always_fails_ends_the_run() -> None:
    model, kept = Model(broken=True), Kept()
    with pytest.raises(EngineStoppedError):
        RowRun(model, ask, kept).run(rows(10_000))
    assert kept.answers == {}
    assert sum(model.asked.values()) < 5 * UNDER_WAY


def test_few_rows_and_an_engine_that_always_fails() -> None:
    kept = Kept()
    with pytest.raises(EngineStoppedError):
        RowRun(Model(broken=True), ask, kept).run(rows(8))
    assert kept.answers == {}


def test_results_that_cannot_be_written_end_the_run() -> None:
    class Full(Kept):
        def answered(self, row: Row, answer: Answer) -> None:
            raise OptionError("The disk is full.")

    before = threading.active_count()
    with pytest.raises(OptionError, match="full"):
        RowRun(Model(), ask, Full()).run(rows(300))
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("row", "system", "label", "expected"),
    [
        ({"query": "a"}, None, None, {"system": None, "query": "a", "history": [], "response": "A"}),
        (
            {"query": "a", "system": "s", "history": [["b", "c"]], "id": 7, "response": "x"},
            "d",
            "x",
            {"system": "s", "query": "a", "history": [["b", "c"]], "id": 7, "response": "A", "label": "x"},
        ),
        ({"messages": [1], "vlmplug": {"line": 3}}, "d", None, {"messages": [1], "response": "A"}),
    ],
)
def test_the_line_of_a_result(
    row: dict[str, Any], system: str | None, label: str | None, expected: dict[str, Any]
) -> None:
    assert result_of(row, answer_to("a"), system, label) == expected


def test_what_is_told_about_an_answer() -> None:
    told = told_of(answer_to("a"))
    assert told == {
        "finish_reason": "stop", "prompt_tokens": 5, "media_tokens": 3, "generated_tokens": 2, "seconds": 0.0,
    }  # fmt: skip


def test_places_that_an_answer_names_are_told() -> None:
    answer = replace(answer_to("a"), boxes=(Box("dog", ((1, 2), (3, 4))),))
    assert told_of(answer)["boxes"] == [{"label": "dog", "corners": [[1, 2], [3, 4]]}]
