"""What a caller sees of a request under way, however it ends."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future

import pytest

from vlmplug.engine.generation import Generation, Step, typed_error
from vlmplug.errors import EngineError, EngineMemoryError, EngineStoppedError


def under_way() -> tuple[Generation, Future[None]]:
    generation, future = Generation(), Future[None]()
    generation.attach(future)
    generation.put(Step((1, 2)))
    return generation, future


def test_steps_until_one_ends_it() -> None:
    generation, _ = under_way()
    last = Step((3,), finish_reason="stop")
    generation.put(last)
    assert list(generation) == [Step((1, 2)), last]


def test_cancelled_by_the_caller() -> None:
    generation, _ = under_way()
    generation.cancel()
    generation.cancel()
    assert [step.finish_reason for step in generation] == [None, "cancelled"]


def test_cancelled_by_the_engine() -> None:
    generation, future = under_way()
    future.cancel()
    with pytest.raises(EngineStoppedError, match="was closed"):
        list(generation)


def test_other_libraries_errors_are_the_cause_of_ours() -> None:
    generation, future = under_way()
    future.set_exception(KeyError("x"))
    with pytest.raises(EngineError, match=r"failed on this request \(KeyError: 'x'\)") as caught:
        list(generation)
    assert isinstance(caught.value.__cause__, KeyError)


def test_ours_stay_as_they_are() -> None:
    error = EngineMemoryError("full")
    assert typed_error(error, "Something failed") is error


@pytest.mark.parametrize("end", [Generation.cancel, Generation.stop], ids=["unwanted", "the engine closes"])
def test_the_engines_task_ends_with_the_next_step_though_its_cancellation_was_lost(end: object) -> None:
    generation, _ = under_way()
    end(generation)  # type: ignore[operator]
    with pytest.raises(asyncio.CancelledError):
        generation.put(Step((3,)))


def test_it_is_read_from_the_moment_somebody_iterates() -> None:
    generation, _ = under_way()
    assert not generation.is_read
    next(iter(generation))
    assert generation.is_read


@pytest.mark.parametrize("early", [True, False])
def test_waiting_for_the_end_reads_nothing(early: bool) -> None:
    generation, _ = under_way()
    last = Step((3,), finish_reason="stop")
    if early:
        generation.put(last)
    else:
        threading.Timer(0.02, lambda: generation.put(last)).start()
    generation.wait()
    assert not generation.is_read
    assert list(generation) == [Step((1, 2)), last]


def test_waiting_ends_with_an_error_too() -> None:
    generation, future = under_way()
    threading.Timer(0.02, lambda: future.set_exception(KeyError("x"))).start()
    generation.wait()
    with pytest.raises(EngineError, match="KeyError"):
        list(generation)


def test_stopped_by_the_engine() -> None:
    generation, future = under_way()
    generation.stop()
    assert future.cancelled()
    with pytest.raises(EngineStoppedError, match="was closed"):
        list(generation)


def test_abandoned_at_the_end_of_the_program_nobody_is_woken() -> None:
    generation, future = under_way()
    steps = iter(generation)
    next(steps)
    generation.abandon()
    future.cancel()
    waiting = threading.Thread(target=lambda: list(steps), daemon=True)
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()


class TestInAnEventLoop:
    def test_steps_that_came_before_and_that_come_later(self) -> None:
        generation, _ = under_way()

        async def read() -> list[Step]:
            later = threading.Timer(0.05, lambda: generation.put(Step((3,), finish_reason="stop")))
            later.start()
            return [step async for step in generation]

        assert [step.token_ids for step in asyncio.run(read())] == [(1, 2), (3,)]

    def test_many_steps_from_another_thread(self) -> None:
        generation = Generation()
        steps = [Step((number,)) for number in range(500)] + [Step(finish_reason="stop")]

        def produce() -> None:
            for number, step in enumerate(steps):
                generation.put(step)
                if number % 50 == 0:
                    time.sleep(0.001)

        async def read() -> list[Step]:
            thread = threading.Thread(target=produce)
            thread.start()
            found = [step async for step in generation]
            thread.join()
            return found

        assert asyncio.run(asyncio.wait_for(read(), 20)) == steps

    def test_errors(self) -> None:
        generation, future = under_way()
        future.set_exception(KeyError("x"))

        async def read() -> None:
            async for _ in generation:
                pass

        with pytest.raises(EngineError, match="KeyError"):
            asyncio.run(read())

    @pytest.mark.parametrize("early", [True, False])
    def test_the_end_alone(self, early: bool) -> None:
        generation, _ = under_way()

        async def wait() -> list[Step]:
            generation.put(Step((3,)))
            last = Step((4,), finish_reason="length")
            waiting = asyncio.ensure_future(generation.ended())
            if early:
                generation.put(last)
            else:
                await asyncio.sleep(0.02)
                assert not waiting.done()
                threading.Timer(0.02, lambda: generation.put(last)).start()
            await asyncio.wait_for(waiting, 5)
            return list(generation)

        assert [step.token_ids for step in asyncio.run(wait())] == [(1, 2), (3,), (4,)]

    def test_a_loop_that_was_closed_hinders_nobody(self) -> None:
        generation, _ = under_way()

        async def leave() -> None:
            async for _ in generation:
                break

        asyncio.run(leave())
        generation.put(Step((3,), finish_reason="stop"))
        assert [step.token_ids for step in generation] == [(3,)]
