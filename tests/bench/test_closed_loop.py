"""Sending requests, so many at a time."""

from __future__ import annotations

import asyncio
import time

import pytest

from vlmplug.bench.closed_loop import Sent, send_all
from vlmplug.bench.target import Reply
from vlmplug.conversation import Conversation, user_message
from vlmplug.errors import ContextLengthError, EngineStoppedError
from vlmplug.pipeline import Request

REQUESTS = [Request(Conversation((user_message(str(number)),))) for number in range(10)]


class Recorder:
    """A target that answers after some turns of the loop, and refuses the requests called ``failing``."""

    def __init__(self, failing: tuple[str, ...] = ()) -> None:
        self.failing = failing
        self.began: list[str] = []
        self.under_way = self.most = 0

    async def send(self, request: Request) -> Reply:
        text = request.conversation.messages[0].text
        self.began.append(text)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            for _ in range(3 + int(text) % 4):
                await asyncio.sleep(0)
            if text in self.failing:
                raise ContextLengthError(f"{text} is too long.", "Shorten it.")
            return Reply(time.perf_counter(), int(text), 0, 0, 1)
        finally:
            self.under_way -= 1


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (4, 4), (10, 10), (99, 10)])
def test_never_more_at_a_time_and_never_fewer_while_some_wait(concurrency: int, most: int) -> None:
    target = Recorder()
    ended = asyncio.run(send_all(target, REQUESTS, concurrency))
    assert target.most == most
    assert target.began == [str(number) for number in range(10)]
    assert sorted(sent.outcome.prompt_tokens for sent in ended if isinstance(sent.outcome, Reply)) == list(range(10))


def test_a_request_that_fails_is_an_outcome_and_the_others_go_on() -> None:
    seen: list[Sent] = []
    ended = asyncio.run(send_all(Recorder(("3", "4")), REQUESTS, 2, seen.append))
    failed = [sent.outcome for sent in ended if isinstance(sent.outcome, ContextLengthError)]
    assert (len(ended), sorted(error.problem for error in failed)) == (10, ["3 is too long.", "4 is too long."])
    assert seen == ended
    assert all(sent.begin <= sent.end for sent in ended)


def test_of_nothing_nothing_is_sent() -> None:
    assert asyncio.run(send_all(Recorder(), [], 4)) == []


class Broken(Recorder):
    """A target with a mistake in it, which is no outcome."""

    async def send(self, request: Request) -> Reply:
        if len(self.began) == 5:
            raise ZeroDivisionError
        return await super().send(request)


def test_a_mistake_in_the_target_ends_all() -> None:
    target = Broken()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(send_all(target, REQUESTS, 3))
    assert target.under_way == 0
    assert len(target.began) < len(REQUESTS)


def test_a_caller_who_is_cancelled_ends_what_is_under_way() -> None:
    class Silent(Recorder):
        async def send(self, request: Request) -> Reply:
            self.under_way += 1
            try:
                await asyncio.Event().wait()
                raise EngineStoppedError("It ended.", "Ask again.")
            finally:
                self.under_way -= 1

    async def cancelled(target: Silent) -> int:
        sending = asyncio.ensure_future(send_all(target, REQUESTS, 4))
        while target.under_way < 4:
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.sleep(0)
        return target.under_way

    assert asyncio.run(cancelled(Silent())) == 0
