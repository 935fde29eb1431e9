"""Tensor parallelism over worker processes: the same answers, and no worker's end goes unnoticed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.reference import Reference, ids
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.engine.request import EngineRequest
from vlmplug.engine.worker_executor import WorkerExecutor
from vlmplug.errors import EngineOptionError, EngineStoppedError, VlmplugError, WeightsError
from vlmplug.pipeline import Pipeline, open_pipeline
from vlmplug.sampling import Answer, Sampling
from vlmplug.verify.tensors import open_tensors

PROMPT = "one_image_no_tag"
SECONDS = 30
"""Longer than any end may take."""


@pytest.fixture(scope="module")
def reference(golden: Path) -> Reference:
    return Reference(golden, "tiny")


def opened(folder: Path, **options: object) -> Pipeline:
    scheduler = SchedulerOptions(max_prefill_tokens=64, logprobs_mode="logits")
    return open_pipeline("internvl2-2b", folder, EngineOptions("cpu", tp=2, threads=2, scheduler=scheduler, **options))


@pytest.fixture(scope="module")
def pipeline(golden: Path) -> Iterator[Pipeline]:
    with opened(golden / "tiny") as made:
        yield made


def worker_ids(pipeline: Pipeline) -> list[int]:
    executor = pipeline._engine._engine.executor
    assert isinstance(executor, WorkerExecutor)
    return [worker._process.pid for worker in executor._workers]


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_official_tokens_alone_together_chunked_and_cached(pipeline: Pipeline, reference: Reference) -> None:
    requests = [reference.request(name) for name in reference.greedy]
    alone = tuple(ids(pipeline.generate(request)) for request in requests)
    assert alone == tuple(reference.greedy.values())
    assert tuple(map(ids, pipeline.generate_batch(requests))) == alone


def test_logits_agree_with_the_official_ones(pipeline: Pipeline, reference: Reference) -> None:
    answer = pipeline.generate(reference.request(PROMPT, prompt_logits=True))
    case = next(c for c in reference.golden.forward if (c.checkpoint, c.prompt) == ("tiny", PROMPT))
    official = open_tensors(reference.folder / "forward.safetensors").read(case.logits)
    found = np.asarray(answer.prompt_logits, np.float32)
    assert np.abs(found - official).max() <= reference.golden.tolerance.logits_rel * np.abs(official).max()


def test_a_cancelled_stream_stops_and_leaves_others_alone(pipeline: Pipeline, reference: Reference) -> None:
    stream = pipeline.stream(reference.request("two_images_separate", max_new_tokens=2000))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert ids(pipeline.generate(reference.request(PROMPT))) == reference.greedy[PROMPT]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_worker_that_dies_ends_its_requests_and_the_next_one_gets_a_new_engine(
    pipeline: Pipeline, reference: Reference, rank: int
) -> None:
    workers = worker_ids(pipeline)
    stream = pipeline.stream(reference.request(PROMPT, max_new_tokens=2000))
    next(stream)
    start = time.monotonic()
    os.kill(workers[rank], signal.SIGKILL)
    with pytest.raises(EngineStoppedError, match=f"Worker {rank} was killed by signal 9"):
        list(stream)
    assert time.monotonic() - start < SECONDS
    assert ids(pipeline.generate(reference.request(PROMPT))) == reference.greedy[PROMPT]
    assert all(map(gone, workers)) and not any(map(gone, worker_ids(pipeline)))


def test_a_request_that_breaks_the_tower_ends_with_an_error_and_the_next_one_works(
    pipeline: Pipeline, reference: Reference
) -> None:
    good, workers = pipeline.prepare(reference.request(PROMPT)).engine_input, worker_ids(pipeline)
    spoiled = replace(good, media=(replace(good.media[0], pixels=good.media[0].pixels[:-1]),))
    with pytest.raises(EngineStoppedError):
        list(pipeline._running().submit(EngineRequest(spoiled, Sampling(max_new_tokens=4))))
    assert ids(pipeline.generate(reference.request(PROMPT))) == reference.greedy[PROMPT]
    assert all(map(gone, workers))


def test_what_keeps_a_worker_from_starting_is_the_error_of_the_start(golden: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for file in (golden / "tiny").iterdir():
        (folder / file.name).symlink_to(file)
    weights = load_file(golden / "tiny" / "model.safetensors")
    name = next(name for name in weights if name.startswith("language_model"))
    (folder / "model.safetensors").unlink()
    save_file({**weights, name: np.full_like(weights[name], np.nan)}, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="no numbers"):
        opened(folder)


def test_heads_that_cannot_be_shared_are_refused_before_anything_starts(golden: Path) -> None:
    with pytest.raises(EngineOptionError, match="tp is 3"):
        open_pipeline("internvl2-2b", golden / "tiny", EngineOptions("cpu", tp=3))


def test_a_script_without_a_main_guard_runs_once(golden: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from vlmplug.engine.options import EngineOptions\n"
        "from vlmplug.pipeline import open_pipeline\n"
        "print('begun', flush=True)\n"
        f"folder = Path({str(golden / 'tiny')!r})\n"
        "pipeline = open_pipeline('internvl2-2b', folder, EngineOptions('cpu', tp=2, threads=2))\n"
        "print(*[w._process.pid for w in pipeline._engine._engine.executor._workers])\n"  # left open at exit
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=4 * SECONDS)
    assert done.returncode == 0 and done.stdout.count("begun") == 1, done.stderr
    assert done.stderr == ""
    workers = map(int, done.stdout.splitlines()[1].split())
    deadline = time.monotonic() + SECONDS
    for worker in workers:
        while not gone(worker):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_one_bad_request_in_a_batch_fails_alone(pipeline: Pipeline, reference: Reference) -> None:
    bad = reference.request(PROMPT, stop_ids=(10**9,))
    first, second, third = pipeline.generate_batch([reference.request(PROMPT), bad, reference.request(PROMPT)])
    assert isinstance(first, Answer) and isinstance(third, Answer) and isinstance(second, VlmplugError)
