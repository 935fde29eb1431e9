"""The embedded model, loaded once for all tests of this folder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import vlmplug

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHAPES = EXAMPLES / "shapes.png"
CLIP = EXAMPLES / "clip.mp4"
#: Long enough that nothing here ever waits for its end.
LONG = vlmplug.Sampling(max_new_tokens=3000, ignore_stop=True)
CPU = vlmplug.EngineOptions(device="cpu", threads=1)


@pytest.fixture(scope="session")
def model() -> Iterator[vlmplug.LoadedModel]:
    torch.set_num_threads(1)
    with vlmplug.load("internvl2-tiny", engine=CPU) as loaded:
        yield loaded


def at_work(model: vlmplug.LoadedModel) -> int:
    """Sequences that the engine still has to work on."""
    engine = model.pipeline._engine._engine
    assert engine is not None
    scheduler = engine.scheduler
    return int(scheduler.num_running() + scheduler.num_waiting() + scheduler.num_ready())


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether it becomes true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


async def soon(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """The same in an event loop."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.01)
    return condition()
