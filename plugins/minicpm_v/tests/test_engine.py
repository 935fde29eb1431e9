"""The engine gives the official tokens, however requests are mixed, cut, cached and shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.changed_weights import Change, with_another, without, write_changed
from tests.family_engine import cpu_pipeline, largest_difference, streamed
from tests.reference import Reference, ids
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import WeightsError
from vlmplug.pipeline import Pipeline, open_pipeline
from vlmplug.verify import Selection, VerifyOptions, verify
from vlmplug.verify.forward_cases import EngineChoice

TYPE, CHECKPOINT, TURNS = "minicpm-v-v2_5-chat", "tiny_2_5", "images_in_two_turns"


@pytest.fixture(scope="module")
def reference(golden: Path) -> Reference:
    return Reference(golden, CHECKPOINT)


@pytest.fixture(scope="module")
def pipeline(golden: Path) -> Iterator[Pipeline]:
    with cpu_pipeline(TYPE, golden / CHECKPOINT, max_prefill_tokens=64, tower_tiles=1) as made:
        yield made


def test_every_case_of_the_set_passes_in_every_mode(reference: Reference) -> None:
    choice = EngineChoice("cpu", modes=("batched", "chunked", "cached"))
    report = verify(reference.golden, VerifyOptions(Selection(("forward",)), choice))
    assert [result for result in report.results if result.outcome != "passed"] == []
    assert len(report.results) == 3 * len(reference.greedy) == 15


def test_streamed_and_all_at_once(pipeline: Pipeline, reference: Reference) -> None:
    requests = {name: reference.request(name) for name in reference.greedy}
    assert streamed(pipeline, requests) == reference.greedy
    answers = pipeline.generate_batch([*requests.values(), *reversed(requests.values())])
    assert [ids(answer) for answer in answers] == [*reference.greedy.values(), *reversed(reference.greedy.values())]


def test_a_second_turn_reuses_the_slices_of_the_first(pipeline: Pipeline, reference: Reference) -> None:
    request = reference.request(TURNS)
    first = replace(request.conversation, messages=request.conversation.messages[:1])
    pipeline.generate(replace(request, conversation=first))
    answer = pipeline.generate(request)
    assert ids(answer) == reference.greedy[TURNS]
    assert answer.cached_tokens >= 3 * 96


@pytest.mark.slow
def test_two_processes_share_the_language_model(golden: Path, pipeline: Pipeline, reference: Reference) -> None:
    with cpu_pipeline(TYPE, golden / CHECKPOINT, tp=2) as shared:
        for name in (TURNS, "text_only"):
            request = reference.request(name, prompt_logits=True)
            one, two = pipeline.generate(request), shared.generate(request)
            assert ids(two) == reference.greedy[name]
            assert largest_difference(one, two) <= 1e-5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("resampler.proj"), r"1 missing \(resampler.proj\)"),
        (without("llm.lm_head.weight"), r"1 missing \(llm.lm_head.weight\)"),
        (with_another("resampler.pos_embed", 1024, 256), r"1 unexpected \(resampler.pos_embed\)"),
        (with_another("apm.conv1.weight", 2, 2), r"1 unexpected \(apm.conv1.weight\)"),
        (with_another("resampler.query", 64, 256), r"resampler.query is \[64, 256\], expected \[96, 256\]"),
    ],
)
def test_weights_that_do_not_fit_are_named(golden: Path, tmp_path: Path, change: Change, says: str) -> None:
    write_changed(golden / CHECKPOINT, tmp_path, change)
    with pytest.raises(WeightsError, match=says):
        cpu_pipeline(TYPE, tmp_path)


def test_random_weights_answer(golden: Path) -> None:
    options = EngineOptions("cpu", threads=1, weights="random", seed=3)
    with open_pipeline("minicpm-v-v2_6-chat", golden / "tiny_2_6", options) as made:
        answer = made.generate(Reference(golden, "tiny_2_6").request("video_large_frames", max_new_tokens=4))
    assert len(ids(answer)) == 4
    assert answer.media_tokens == 6 * 64
