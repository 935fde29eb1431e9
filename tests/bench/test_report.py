"""A benchmark as a document and as tables."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.bench.test_summary import ANSWERED, TOO_LONG
from vlmplug.bench.benchmark import Job, Measured, MemoryUse, Plan
from vlmplug.bench.machine import Machine, this_machine
from vlmplug.bench.report import LATENCY_HEADER, Report, now
from vlmplug.bench.summary import summarised
from vlmplug.bench.workload import Workload
from vlmplug.engine.options import EngineOptions

JOB = Job(
    EngineOptions("auto", "auto", 2, weights="random"),
    Workload(4, 2, ((640, 480), (64, 64)), max_new_tokens=16),
    Plan(3),
)
MEASURED = Measured("cuda", "bfloat16", 12.5, MemoryUse(3 << 30, 7 << 29), summarised([*ANSWERED, TOO_LONG]))
MACHINE = Machine("Linux x86_64", "A processor", 8, 64 << 30, ("NVIDIA H200", "NVIDIA H200"))
REPORT = Report(
    "internvl2-2b", JOB, MEASURED, MACHINE, {"python": "3.11"}, "vlmplug bench", "2026-11-22T10:00:00+00:00"
)


def test_the_document() -> None:
    document = json.loads(json.dumps(REPORT.document()))
    results = document.pop("results")
    assert document["model"] == {
        "model_type": "internvl2-2b",
        "weights": "random",
        "device": "cuda",
        "dtype": "bfloat16",
        "tp": 2,
    }
    assert document["workload"] == {
        "requests": 4,
        "images": 2,
        "image_sizes": [[640, 480], [64, 64]],
        "text": None,
        "prompt_tokens": 128,
        "max_new_tokens": 16,
        "seed": 0,
        "media_options": {},
        "concurrency": 3,
        "warm_up": 3,
    }
    assert document["machine"]["gpus"] == ["NVIDIA H200", "NVIDIA H200"]
    assert (document["bench"], document["load_seconds"]) == (1, 12.5)
    assert document["memory"] == {"loaded": 3 << 30, "after": 7 << 29}
    assert (document["command"], document["date"]) == ("vlmplug bench", "2026-11-22T10:00:00+00:00")
    assert (results["requests"], results["answered"], results["failed"]) == (4, 3, 1)
    assert results["seconds"] == pytest.approx(4.0)
    assert results["per_second"] == pytest.approx(
        {"requests": 0.75, "images": 1.5, "input_tokens": 39.25, "output_tokens": 4.25}
    )
    assert results["latency"]["first_token"]["p50"] == 1.0
    assert results["failures"] == [{"error": "ContextLengthError", "message": "9000 tokens. Shorten it.", "count": 1}]


def test_the_facts() -> None:
    facts = REPORT.facts()
    assert facts["engine"] == "cuda, bfloat16, tp 2"
    assert facts["machine"] == "NVIDIA H200, NVIDIA H200, A processor, 8 cores"
    assert facts["requests"] == "4, 3 at a time, pictures in each: 2 (640x480, 64x64), answers of 16 tokens"
    assert facts["memory"] == "3.0 GiB once loaded, 3.5 GiB at the end"
    assert (facts["answered"], facts["failed"]) == ("3 in 4.00 s", "1")
    assert facts["input tokens"] == "157, 80 of them media, 16 of them reused"
    assert (facts["requests/s"], facts["pictures/s"], facts["output tokens/s"]) == ("0.750", "1.500", "4.2")


def test_times_stand_below_their_header() -> None:
    rows = {row[0]: row[1:] for row in REPORT.latencies()}
    assert list(rows) == ["first token (TTFT)", "each further token (TPOT)", "whole answer (E2E)"]
    assert {len(row) for row in rows.values()} == {len(LATENCY_HEADER) - 1}
    assert rows["whole answer (E2E)"] == ("2.1667", "2.0000", "3.6000", "3.9600", "0.5000", "4.0000")


def test_what_is_not_known_is_left_out() -> None:
    job = replace(JOB, workload=Workload(images=0))
    nothing = replace(MEASURED, memory=MemoryUse(None, None), summary=summarised([TOO_LONG]))
    report = replace(REPORT, job=job, measured=nothing)
    facts = report.facts()
    assert (facts["memory"], facts["pictures/s"]) == ("", "")
    assert facts["answered"].startswith("0 in ")
    assert list(report.latencies()) == []
    assert report.document()["results"]["latency"] == {"first_token": None, "per_token": None, "whole": None}


def test_here_and_now() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.processor
    assert now().endswith("+00:00")
