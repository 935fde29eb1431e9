"""Everything from an event loop too, with cancelling that reaches the engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import pytest

import vlmplug
from tests.api.conftest import CPU, LONG, SHAPES, at_work, soon, until
from tests.loopback import Loopback
from vlmplug.errors import EngineStoppedError, MediaError

HOW_MANY = "How many shapes are there?"
FOUR = "There are four shapes."
T = TypeVar("T")
Model = vlmplug.LoadedModel


def test_the_same_answers_as_without_a_loop(model: Model) -> None:
    async def ask() -> list[Any]:
        streamed = [delta async for delta in model.astream("Describe the image.", images=SHAPES)]
        return [await model.agenerate(HOW_MANY, images=SHAPES), streamed, await model.abatch(["Hello", "", "Hello"])]

    answer, streamed, batch = asyncio.run(ask())
    assert answer.text == FOUR
    whole = model.generate("Describe the image.", images=SHAPES)
    assert "".join(delta.text for delta in streamed) == streamed[-1].answer.text == whole.text
    assert str(batch[0]) == str(batch[2]) == model.generate("Hello").text
    assert (type(batch[1]), batch[1].index) == (vlmplug.FailedRequest, 1)


def test_many_at_once(model: Model) -> None:
    async def ask() -> list[vlmplug.Answer]:
        return await asyncio.gather(*(model.agenerate(HOW_MANY, images=SHAPES) for _ in range(8)))

    assert [answer.text for answer in asyncio.run(ask())] == [FOUR] * 8


def test_the_loop_goes_on_meanwhile(model: Model) -> None:
    async def ask() -> int:
        task = asyncio.ensure_future(model.agenerate("Hello", images=[SHAPES] * 4, sampling=vlmplug.Sampling(40)))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.002)
            ticks += 1
        return ticks

    assert asyncio.run(ask()) > 5


def test_ordinary_calls_inside_a_running_loop(model: Model) -> None:
    """As in Jupyter, whose cells run inside a loop."""

    async def cell() -> list[str]:
        texts = [model.generate(HOW_MANY, images=SHAPES).text, *map(str, model.batch(["Hello", "Hello"]))]
        return [*texts, "".join(delta.text for delta in model.stream("Hello")), model.chat().generate("Hello").text]

    hello = model.generate("Hello").text
    assert asyncio.run(cell()) == [FOUR, hello, hello, hello, hello]


def test_errors_arrive(model: Model) -> None:
    with pytest.raises(MediaError, match=r"images\[0\]: 'missing.png'"):
        asyncio.run(model.agenerate("Hi", images="missing.png"))


async def _leave_loop(model: Model) -> None:
    async for _ in model.astream("Hello", sampling=LONG):
        assert at_work(model) == 1
        break


async def _close_stream(model: Model) -> None:
    async with aclosing(model.astream("Hello", sampling=LONG)) as stream:
        await anext(stream)
        assert at_work(model) == 1


async def _drop_stream(model: Model) -> None:
    stream = model.astream("Hello", sampling=LONG)
    await anext(stream)
    del stream


async def _cancel(model: Model, work: Awaitable[Any], sequences: int) -> None:
    task = asyncio.ensure_future(work)
    assert await soon(lambda: at_work(model) == sequences)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _consume(model: Model) -> None:
    async for _ in model.astream("Hello", sampling=LONG):
        pass


LEAVING: dict[str, Callable[[Model], Awaitable[None]]] = {
    "break": _leave_loop,
    "aclose": _close_stream,
    "del": _drop_stream,
    "cancel generate": lambda model: _cancel(model, model.agenerate("Hello", sampling=LONG), 1),
    "cancel stream": lambda model: _cancel(model, _consume(model), 1),
    "cancel batch": lambda model: _cancel(model, model.abatch(["Hello"] * 3, sampling=LONG), 3),
    "cancel chat": lambda model: _cancel(model, model.chat().agenerate("Hello", sampling=LONG), 1),
}


@pytest.mark.parametrize("leave", LEAVING)
def test_leaving_early_ends_the_engines_work(model: Model, leave: str) -> None:
    async def run() -> bool:
        await LEAVING[leave](model)
        return await soon(lambda: at_work(model) == 0)

    assert asyncio.run(run())
    assert model.generate(HOW_MANY, images=SHAPES).text == FOUR


def test_no_cancellation_is_lost(model: Model) -> None:
    """One that comes together with a token must not be: without care about every tenth was."""

    async def run() -> None:
        for number in range(30):
            stream = model.astream("Hello", sampling=LONG)
            await anext(stream)
            await asyncio.sleep(0.001 * (number % 7))
            await stream.aclose()
            assert await soon(lambda: at_work(model) == 0, 2)

    asyncio.run(run())


def test_a_timeout_ends_the_engines_work(model: Model) -> None:
    async def run() -> None:
        await asyncio.wait_for(model.agenerate("Hello", sampling=LONG), 0.5)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(run())
    assert until(lambda: at_work(model) == 0)


def test_the_end_of_the_loop_ends_the_engines_work(model: Model) -> None:
    streams = []

    async def run() -> None:
        streams.append(model.astream("Hello", sampling=LONG))
        await anext(streams[0])

    asyncio.run(run())
    assert until(lambda: at_work(model) == 0)


def test_cancelled_while_a_picture_is_on_its_way(model: Model) -> None:
    """The download is left to itself; its request never reaches the engine, and nobody waits for it."""
    released = threading.Event()

    def reply(stream: object) -> None:
        released.wait(60)

    with Loopback({"/x": reply}) as server:

        async def run() -> float:
            task = asyncio.ensure_future(model.agenerate("Hello", images=server.url("/x"), sampling=LONG))
            assert await soon(lambda: len(server.requests) == 1)
            start = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return time.monotonic() - start

        assert asyncio.run(run()) < 30
        released.set()
        time.sleep(0.5)
    assert at_work(model) == 0


@pytest.mark.parametrize("ask", ["agenerate", "abatch"])
def test_cancelled_just_before_the_engine_takes_it(model: Model, monkeypatch: pytest.MonkeyPatch, ask: str) -> None:
    """Prepared in a thread, the request reaches the engine though its caller is gone; it is taken back."""
    theirs = model.pipeline.prepare

    def slowly(request: Any) -> Any:
        time.sleep(0.3)
        return theirs(request)

    monkeypatch.setattr(model.pipeline, "prepare", slowly)
    begun: list[Any] = []
    for name in ("begin", "begin_together"):
        begin = getattr(model.pipeline, name)
        monkeypatch.setattr(model.pipeline, name, lambda asked, begin=begin: begun.append(begin(asked)) or begun[-1])

    async def run() -> None:
        asked = {"agenerate": "Hello", "abatch": ["Hello", "And you?"]}[ask]
        task = asyncio.ensure_future(getattr(model, ask)(asked, sampling=LONG))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert until(lambda: len(begun) == 1)
    assert until(lambda: at_work(model) == 0, 2)


def test_several_loops_in_turn_and_at_once(model: Model) -> None:
    import threading

    found: list[str] = []

    def run() -> None:
        for _ in range(2):
            found.append(asyncio.run(model.agenerate(HOW_MANY, images=SHAPES)).text)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [FOUR] * 6


def test_loading_and_closing_in_a_loop() -> None:
    async def run() -> list[Any]:
        ticks = 0
        loading = asyncio.ensure_future(vlmplug.aload("internvl2-tiny", engine=CPU))
        while not loading.done():
            await asyncio.sleep(0.01)
            ticks += 1
        async with loading.result() as model:
            waiting = asyncio.ensure_future(model.agenerate("Hello", sampling=LONG))
            assert await soon(lambda: at_work(model) == 1)
        with pytest.raises(EngineStoppedError):
            await waiting
        with pytest.raises(EngineStoppedError):
            await model.agenerate("Hello")
        return [ticks]

    assert asyncio.run(run())[0] > 3
