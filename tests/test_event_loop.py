"""A coroutine from ordinary code, with or without a loop around it."""

from __future__ import annotations

import asyncio
import signal
import threading
import time

import pytest

from vlmplug.event_loop import gathered, run_apart


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


def test_the_result() -> None:
    assert run_apart(double(4)) == 8


def test_inside_a_running_loop() -> None:
    async def outer() -> int:
        return run_apart(double(5))

    assert asyncio.run(outer()) == 10


def test_the_error() -> None:
    async def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run_apart(fail())


def test_tasks_left_behind_are_cancelled_and_the_thread_ends() -> None:
    cancelled: list[bool] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.append(True)

    async def leave() -> None:
        leave.task = asyncio.ensure_future(forever())  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)

    run_apart(leave())
    assert cancelled == [True]
    assert not [thread for thread in threading.enumerate() if thread.name == "vlmplug-loop"]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="interrupts of POSIX")
def test_an_interrupt_cancels_it_and_waits_for_its_end() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)
            ended.append("cleaned up")
            raise

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run_apart(work())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ended == ["cleaned up"]
    assert time.monotonic() - start < 5


class TestGathered:
    """Several coroutines at once."""

    def test_the_results_in_order(self) -> None:
        async def wait(seconds: float) -> float:
            await asyncio.sleep(seconds)
            return seconds

        assert asyncio.run(gathered(map(wait, (0.02, 0.0, 0.01)))) == [0.02, 0.0, 0.01]
        assert asyncio.run(gathered([])) == []

    @pytest.mark.parametrize("cancelled", [False, True], ids=["one fails", "the caller is cancelled"])
    def test_what_is_under_way_is_cancelled(self, cancelled: bool) -> None:
        ended: list[str] = []

        async def forever() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("cancelled")

        async def fail() -> None:
            await asyncio.sleep(0.01)
            if not cancelled:
                raise KeyError("mine")

        async def work() -> None:
            task = asyncio.ensure_future(gathered([forever(), fail(), forever()]))
            await asyncio.sleep(0.05)
            task.cancel()  # without effect where it has ended
            await task

        with pytest.raises(asyncio.CancelledError if cancelled else KeyError):
            asyncio.run(work())
        assert ended == ["cancelled"] * 2
