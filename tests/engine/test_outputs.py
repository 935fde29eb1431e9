"""Outputs are taken when the GPU has made them, and neither the loop nor anybody else waits meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from vlmplug.engine.outputs import FinishedOutputs


class GpuWork:
    """As a `torch.cuda.Event`: happens when it is told to, whoever synchronizes blocks until then."""

    def __init__(self, done: bool = False) -> None:
        self._done = threading.Event()
        self.waited_in: threading.Thread | None = None
        if done:
            self.finish()

    def finish(self) -> None:
        self._done.set()

    def query(self) -> bool:
        return self._done.is_set()

    def synchronize(self) -> None:
        self.waited_in = threading.current_thread()
        self._done.wait(10)


def test_what_is_made_is_there_at_once() -> None:
    async def run() -> list[object]:
        outputs, work = FinishedOutputs(), GpuWork(done=True)
        outputs.put_nowait(("output", work))
        outputs.put_nowait(None)
        return [await outputs.get(), await outputs.get(), work.waited_in]

    taken, nothing, waited_in = asyncio.run(run())
    assert taken[0] == "output"  # type: ignore[index]
    assert nothing is None and waited_in is None


def test_the_loop_works_on_while_the_gpu_does() -> None:
    async def run() -> tuple[int, float, bool]:
        outputs, work = FinishedOutputs(), GpuWork()
        outputs.put_nowait(("output", work))
        taking = asyncio.ensure_future(outputs.get())
        rounds = 0
        for _ in range(50):
            await asyncio.sleep(0.001)
            rounds += 1
            assert not taking.done()
        work.finish()
        end = time.perf_counter()
        await taking
        return rounds, time.perf_counter() - end, work.waited_in is not threading.current_thread()

    rounds, seconds, elsewhere = asyncio.run(run())
    assert (rounds, elsewhere) == (50, True)
    assert seconds < 5


def test_what_goes_wrong_on_the_gpu_is_raised_where_the_output_is_taken() -> None:
    class BrokenWork(GpuWork):
        def synchronize(self) -> None:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    async def run() -> None:
        outputs = FinishedOutputs()
        outputs.put_nowait(("output", BrokenWork()))
        await outputs.get()

    with pytest.raises(RuntimeError, match="illegal memory access"):
        asyncio.run(run())
