"""From opening to closing: nothing hangs, nothing is left, nobody sees an error that is not ours."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.reference import Reference
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.errors import ContextLengthError, EngineMemoryError, EngineStoppedError, OptionError, VlmplugError
from vlmplug.pipeline import Pipeline, open_pipeline
from vlmplug.sampling import Answer

PROMPT = "one_image_no_tag"
ENGINES, THREADS = ("vlmplug-engine", "vlmplug-cpu-step"), 8

Open = Callable[..., Pipeline]


@pytest.fixture(scope="module")
def reference(golden: Path) -> Reference:
    return Reference(golden, "tiny")


@pytest.fixture(scope="module")
def open_tiny(golden: Path) -> Open:
    def opened(**scheduler: Any) -> Pipeline:
        options = EngineOptions(device="cpu", threads=1, scheduler=SchedulerOptions(**scheduler))
        return open_pipeline("internvl2-2b", golden / "tiny", options)

    return opened


@pytest.fixture(scope="module")
def pipeline(open_tiny: Open) -> Iterator[Pipeline]:
    with open_tiny() as made:
        yield made


def engine_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(ENGINES)}


def folder_of(pipeline: Pipeline) -> Path:
    return pipeline._engine._start._view.folder


class TestHostileRequests:
    @pytest.mark.parametrize(
        ("sampling", "says"),
        [
            ({"logprobs": 577}, "logprobs is 577"),
            ({"stop_ids": (576,)}, "stop_ids holds 576"),
            ({"stop_ids": (-1,)}, "stop_ids holds -1"),
            ({"stop_ids": (2**70,)}, "stop_ids holds"),
            ({"json_schema": {"type": "foo"}}, "json_schema"),
            ({"json_schema": {"type": "string", "pattern": "(["}}, "json_schema"),
        ],
        ids=str,
    )
    def test_are_refused_and_the_engine_goes_on(
        self, pipeline: Pipeline, reference: Reference, sampling: dict[str, Any], says: str
    ) -> None:
        engine = pipeline._engine
        with pytest.raises(OptionError, match=says):
            pipeline.generate(reference.request(PROMPT, **sampling))
        assert pipeline.generate(reference.request(PROMPT)).token_ids == reference.greedy[PROMPT]
        assert pipeline._engine is engine and engine.alive

    @pytest.mark.parametrize(
        "sampling",
        [
            {"logprobs": 576},
            {"temperature": 1.0, "top_k": 10_000_000},
            {"temperature": 1e-9},
            {"temperature": 2.0, "top_p": 1e-6, "top_k": 1},
            {"repetition_penalty": 100.0},
            {"repetition_penalty": 0.001},
            {"temperature": 1.0, "seed": -1},
            {"temperature": 1.0, "seed": 2**80},
            {"stop_ids": tuple(range(570, 576))},
            {"max_new_tokens": 1},
        ],
        ids=str,
    )
    def test_extremes_are_served(self, pipeline: Pipeline, reference: Reference, sampling: dict[str, Any]) -> None:
        answer = pipeline.generate(reference.request(PROMPT, **sampling))
        assert (answer.finish_reason, answer.generated_tokens) == ("length", sampling.get("max_new_tokens", 24))

    def test_an_answer_that_fills_the_session_ends_by_length(self, golden: Path, reference: Reference) -> None:
        options = EngineOptions(device="cpu", threads=1, session_length=160)
        with open_pipeline("internvl2-2b", golden / "tiny", options) as small:
            answer = small.generate(reference.request("text_only", max_new_tokens=10_000_000))
        assert (answer.finish_reason, answer.prompt_tokens + answer.generated_tokens) == ("length", 160)


class TestSmallCache:
    def test_takes_what_fits_and_refuses_the_rest(self, open_tiny: Open, reference: Reference) -> None:
        with open_tiny(kv_blocks=16) as small:
            answers = small.generate_batch(
                [reference.request(name) for name in ("one_image_wide_13_tiles", "text_only", "text_only")]
            )
            long = small.generate(reference.request("text_only", max_new_tokens=4000))
        assert isinstance(answers[0], ContextLengthError)
        assert [answer.finish_reason for answer in (*answers[1:], long) if isinstance(answer, Answer)] == ["length"] * 3

    def test_more_blocks_than_memory_are_refused(self, open_tiny: Open) -> None:
        with pytest.raises(EngineMemoryError, match="kv_blocks is 1000000000"):
            open_tiny(kv_blocks=10**9)


def test_many_at_once(pipeline: Pipeline, reference: Reference) -> None:
    answers = pipeline.generate_batch([reference.request(PROMPT)] * 64)
    assert {answer.token_ids for answer in answers if isinstance(answer, Answer)} == {reference.greedy[PROMPT]}
    assert len(answers) == 64


def test_closing_ends_requests_of_other_threads(open_tiny: Open, reference: Reference) -> None:
    before, pipeline = engine_threads(), open_tiny()
    ended: list[VlmplugError] = []

    def ask() -> None:
        with pytest.raises(EngineStoppedError) as caught:
            while True:
                pipeline.generate(reference.request(PROMPT, max_new_tokens=200))
        ended.append(caught.value)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    pipeline.close()
    for thread in threads:
        thread.join(10)
    assert len(ended) == THREADS and not any(thread.is_alive() for thread in threads)
    assert engine_threads() <= before


def test_a_closed_pipeline_stays_closed(open_tiny: Open, reference: Reference) -> None:
    pipeline, request = open_tiny(), reference.request(PROMPT, max_new_tokens=500)
    stream, folder = pipeline.stream(request), folder_of(pipeline)
    next(stream)
    pipeline.close()
    pipeline.close()
    for use in (lambda: list(stream), lambda: pipeline.generate(request), lambda: list(pipeline.stream(request))):
        with pytest.raises(EngineStoppedError, match="closed"):
            use()
    (answer,) = pipeline.generate_batch([request])
    assert isinstance(answer, EngineStoppedError)
    assert not folder.exists()


def test_a_dropped_pipeline_closes_itself_and_harms_no_other(open_tiny: Open, reference: Reference) -> None:
    with open_tiny() as other:
        before, dropped = engine_threads(), open_tiny()
        dropped.generate(reference.request(PROMPT))
        folder, (thread,) = folder_of(dropped), [one for one in engine_threads() - before if "engine" in one.name]
        del dropped
        gc.collect()
        thread.join(10)
        assert not thread.is_alive() and not folder.exists()
        assert other.generate(reference.request(PROMPT)).token_ids == reference.greedy[PROMPT]


def test_an_engine_that_cannot_start_leaves_nothing(open_tiny: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    before = engine_threads()

    def fail(*arguments: object) -> None:
        raise KeyError("something of lmdeploy's")

    monkeypatch.setattr("vlmplug.engine.start.Engine", fail)
    with pytest.raises(VlmplugError, match=r"could not start the engine \(KeyError"):
        open_tiny()
    assert engine_threads() <= before


SCRIPT = """
import gc, sys, torch
from pathlib import Path
from PIL import ImageFile
def settings():
    return (ImageFile.LOAD_TRUNCATED_IMAGES, gc.get_threshold(), gc.isenabled(), torch.get_default_dtype(),
            torch.get_num_threads(), torch.is_grad_enabled(), torch.is_inference_mode_enabled())
torch.set_num_threads(2)
before = settings()
from vlmplug.conversation import Conversation, user_message
from vlmplug.engine.options import EngineOptions
from vlmplug.pipeline import Request, open_pipeline
from vlmplug.sampling import Sampling
pipeline = open_pipeline("internvl2-2b", Path(sys.argv[1]), EngineOptions(device="cpu", threads=1))
pipeline.generate(Request(Conversation((user_message("Hi"),)), sampling=Sampling(max_new_tokens=2)))
assert settings() == before, (settings(), before)
print(pipeline._engine._start._view.folder)
"""


def test_a_process_keeps_its_settings_and_may_end_without_closing(golden: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(golden / "tiny")], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert not Path(ended.stdout.strip()).exists()
    assert "Task was destroyed" not in ended.stderr and "Traceback" not in ended.stderr


def test_threads_of_the_caller_keep_their_number(open_tiny: Open) -> None:
    before = torch.get_num_threads()
    with open_tiny():
        assert torch.get_num_threads() == before
