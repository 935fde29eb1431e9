"""One benchmark: load, warm up, measure."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from vlmplug.bench.closed_loop import Sent, Watch, send_all
from vlmplug.bench.memory_use import memory_used
from vlmplug.bench.summary import Summary, summarised
from vlmplug.bench.target import EngineTarget
from vlmplug.bench.workload import Workload
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import OptionError
from vlmplug.event_loop import run_apart
from vlmplug.pipeline import Pipeline, Preparer
from vlmplug.verify.machine import resolved_device

#: Requests that are under way together where all are sent at once; more would only fill the memory with pixels.
MOST_AT_ONCE = 256
_WARM_UP = 8


@dataclass(frozen=True)
class Plan:
    """How the requests of a workload are sent.

    - ``concurrency``: how many at a time; None: all at once, or `MOST_AT_ONCE` where there are more.
    - ``warm_up``: requests before the measured ones that do not count; None: as many as are sent at a time, 8 at the
      most.

    :raises OptionError: a number that is out of range.
    """

    concurrency: int | None = None
    warm_up: int | None = None

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise OptionError(f"concurrency is {self.concurrency}.", "Give 1 or more, or leave it out.")
        if self.warm_up is not None and self.warm_up < 0:
            raise OptionError(f"warm_up is {self.warm_up}.", "Give 0 or more, or leave it out.")

    def at_once(self, requests: int) -> int:
        """How many of so many requests are sent at a time."""
        return min(self.concurrency or MOST_AT_ONCE, requests)

    def before(self, requests: int) -> int:
        """How many requests come before so many that count."""
        return min(self.at_once(requests), _WARM_UP) if self.warm_up is None else self.warm_up


@dataclass(frozen=True)
class Job:
    """What is measured: an engine, what it is asked, and how that is sent."""

    engine: EngineOptions = field(default_factory=EngineOptions)
    workload: Workload = field(default_factory=Workload)
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True)
class MemoryUse:
    """Bytes beyond those that were used before loading; see `memory_used`. None: it cannot be told.

    - ``loaded``: once the model was loaded. ``after``: once all requests had ended, the model still loaded.
    """

    loaded: int | None
    after: int | None


@dataclass(frozen=True)
class Measured:
    """Everything that one benchmark found out. ``device`` and ``dtype`` are those that the engine chose.

    - ``load_seconds``: importing the engine's libraries, reading weights, and whatever the engine builds at its start.
    """

    device: str
    dtype: str
    load_seconds: float
    memory: MemoryUse
    summary: Summary


def run_benchmark(preparer: Preparer, job: Job, watch: Watch | None = None) -> Measured:
    """Loads a model, sends it the requests of a job, and closes it.

    :param watch: called with each measured request that has ended.
    :raises VlmplugError: the model cannot be loaded. A request that fails is an outcome and raises nothing.
    """
    device = resolved_device(job.engine.device)
    before, begin = memory_used(device), time.perf_counter()
    with Pipeline(preparer, job.engine) as pipeline:
        seconds, loaded = time.perf_counter() - begin, memory_used(device)
        ended = _sent(pipeline, job, watch)
        memory = MemoryUse(_beyond(before, loaded), _beyond(before, memory_used(device)))
    return Measured(device, _dtype(preparer, job.engine, device), seconds, memory, summarised(ended))


def _sent(pipeline: Pipeline, job: Job, watch: Watch | None) -> list[Sent]:
    count = job.workload.requests
    at_once, before = job.plan.at_once(count), job.plan.before(count)
    target, encode = EngineTarget(pipeline), pipeline.model.tokenizer.encode_text
    with tempfile.TemporaryDirectory(prefix="vlmplug-bench-") as folder:
        requests = job.workload.made(encode, Path(folder), before)

        async def send() -> list[Sent]:
            await send_all(target, requests[count:], at_once)
            return await send_all(target, requests[:count], at_once, watch)

        return run_apart(send())


def _beyond(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before


def _dtype(preparer: Preparer, engine: EngineOptions, device: str) -> str:
    from vlmplug.engine.device import choose_dtype

    return choose_dtype(engine, preparer.model.dtype, device)
