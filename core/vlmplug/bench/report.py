"""A benchmark as a JSON document, and as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from vlmplug.bench.benchmark import Job, Measured
from vlmplug.bench.machine import Machine
from vlmplug.bench.spread import Spread
from vlmplug.bench.summary import Summary
from vlmplug.byte_size import gibibytes

#: Of the document; a key that changes its meaning makes it a new one.
FORMAT = 1

LATENCY_HEADER = ("SECONDS", "MEAN", "P50", "P90", "P99", "LEAST", "MOST")


@dataclass(frozen=True)
class Report:
    """Everything about one benchmark. ``command``: what was called; ``date``: UTC, to the second."""

    model_type: str
    job: Job
    measured: Measured
    machine: Machine
    versions: Mapping[str, str]
    command: str
    date: str

    def document(self) -> dict[str, Any]:
        """All of it as JSON; bytes, seconds, and figures a second."""
        return {
            "bench": FORMAT,
            "date": self.date,
            "command": self.command,
            "model": self._model(),
            "workload": {**asdict(self.job.workload), **self._sending()},
            "machine": asdict(self.machine),
            "versions": dict(self.versions),
            "load_seconds": self.measured.load_seconds,
            "memory": asdict(self.measured.memory),
            "results": results(self.measured.summary, self.job.workload.images),
        }

    def _sending(self) -> dict[str, int]:
        plan, count = self.job.plan, self.job.workload.requests
        return {"concurrency": plan.at_once(count), "warm_up": plan.before(count)}

    def _model(self) -> dict[str, Any]:
        return {
            "model_type": self.model_type,
            "weights": self.job.engine.weights,
            "device": self.measured.device,
            "dtype": self.measured.dtype,
            "tp": self.job.engine.tp,
        }

    def facts(self) -> dict[str, str]:
        """A line for each thing that is not spread."""
        return {**self._circumstances(), **self._throughput()}

    def _circumstances(self) -> dict[str, str]:
        measured, memory = self.measured, self.measured.memory
        return {
            "model": f"{self.model_type}, weights: {self.job.engine.weights}",
            "engine": f"{measured.device}, {measured.dtype}, tp {self.job.engine.tp}",
            "machine": ", ".join((*self.machine.gpus, self.machine.processor, f"{self.machine.cores} cores")),
            "requests": ", ".join(self._asked()),
            "loading": f"{measured.load_seconds:.1f} s",
            "memory": ", ".join(
                f"{gibibytes(size)} {when}"
                for size, when in ((memory.loaded, "once loaded"), (memory.after, "at the end"))
                if size is not None
            ),
        }

    def _asked(self) -> Iterator[str]:
        workload = self.job.workload
        yield f"{workload.requests}, {self._sending()['concurrency']} at a time"
        if workload.images:
            sizes = ", ".join(f"{width}x{height}" for width, height in workload.image_sizes)
            yield f"pictures in each: {workload.images} ({sizes})"
        yield f"answers of {workload.max_new_tokens} tokens"

    def _throughput(self) -> dict[str, str]:
        summary = self.measured.summary
        rates = rates_of(summary, self.job.workload.images)
        cached = f", {summary.tokens.cached:,} of them reused" if summary.tokens.cached else ""
        return {
            "answered": f"{summary.answered} in {summary.seconds:.2f} s",
            "failed": str(summary.failed) if summary.failed else "",
            "input tokens": f"{summary.tokens.prompt:,}, {summary.tokens.media:,} of them media{cached}",
            "requests/s": f"{rates['requests']:.3f}",
            "pictures/s": f"{rates['images']:.3f}" if self.job.workload.images else "",
            "input tokens/s": f"{rates['input_tokens']:.1f}",
            "output tokens/s": f"{rates['output_tokens']:.1f}",
        }

    def latencies(self) -> Iterator[tuple[str, ...]]:
        """Rows below `LATENCY_HEADER`."""
        summary = self.measured.summary
        for name, values in (
            ("first token (TTFT)", summary.first_token),
            ("each further token (TPOT)", summary.per_token),
            ("whole answer (E2E)", summary.whole),
        ):
            if values is not None:
                yield name, *(f"{value:.4f}" for value in _in_order(values))


def results(summary: Summary, images: int) -> dict[str, Any]:
    """The part of the document that says what came of the requests."""
    spreads = {"first_token": summary.first_token, "per_token": summary.per_token, "whole": summary.whole}
    return {
        "requests": summary.requests,
        "answered": summary.answered,
        "failed": summary.failed,
        "seconds": summary.seconds,
        "tokens": asdict(summary.tokens),
        "per_second": rates_of(summary, images),
        "latency": {name: None if values is None else asdict(values) for name, values in spreads.items()},
        "failures": [asdict(failure) for failure in summary.failures],
    }


def rates_of(summary: Summary, images: int) -> dict[str, float]:
    """Answered requests, their pictures, and their tokens a second.

    :param images: pictures of each request.
    """
    counts = {
        "requests": summary.answered,
        "images": summary.answered * images,
        "input_tokens": summary.tokens.prompt,
        "output_tokens": summary.tokens.generated,
    }
    return {name: summary.per_second(count) for name, count in counts.items()}


def now() -> str:
    """This moment in UTC, to the second."""
    return datetime.now(timezone.utc).replace(microsecond=0).isoformat()


def _in_order(values: Spread) -> tuple[float, ...]:
    return values.mean, values.p50, values.p90, values.p99, values.least, values.most
