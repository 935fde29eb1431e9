"""The engine gives the official tokens, however requests are mixed, cut, cached, cancelled, or spoiled by others."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.reference import Reference, ids
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.engine.outputs import FinishedOutputs
from vlmplug.engine.request import EngineRequest
from vlmplug.errors import ContextLengthError, EngineMemoryError, EngineOptionError, EngineStoppedError
from vlmplug.model import EngineInput
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.sampling import Sampling

MODES = {
    "plain": SchedulerOptions(prefix_caching=False),
    "chunked": SchedulerOptions(prefix_caching=False, max_prefill_tokens=64),
    "cached": SchedulerOptions(),
    "cached and chunked": SchedulerOptions(max_prefill_tokens=64),
    "evicting": SchedulerOptions(kv_blocks=60),
    "one tile at a time": SchedulerOptions(tower_tiles=1),
}

Opened = Callable[[str], Pipeline]


@pytest.fixture(scope="module")
def reference(golden: Path) -> Reference:
    return Reference(golden, "tiny")


def opened(golden: Path, scheduler: SchedulerOptions) -> Pipeline:
    options = EngineOptions(device="cpu", threads=1, scheduler=scheduler)
    return open_pipeline("internvl2-2b", golden / "tiny", options)


@pytest.fixture(scope="module")
def pipelines(golden: Path) -> Iterator[Opened]:
    made: dict[str, Pipeline] = {}

    def make(mode: str) -> Pipeline:
        if mode not in made:
            made[mode] = opened(golden, MODES[mode])
        return made[mode]

    yield make
    for pipeline in made.values():
        pipeline.close()


@pytest.mark.parametrize("mode", MODES)
def test_one_by_one_twice(pipelines: Opened, reference: Reference, mode: str) -> None:
    for _ in range(2):
        got = {name: ids(pipelines(mode).generate(reference.request(name))) for name in reference.greedy}
        assert got == reference.greedy


@pytest.mark.parametrize("mode", MODES)
def test_all_at_once(pipelines: Opened, reference: Reference, mode: str) -> None:
    answers = pipelines(mode).generate_batch([reference.request(name) for name in reference.greedy])
    assert dict(zip(reference.greedy, map(ids, answers), strict=True)) == reference.greedy


def test_requests_handed_over_together_are_read_together(
    pipelines: Opened, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipelines("plain")
    prompt = pipeline.prepare(reference.request("text_only")).engine_input
    asked = [EngineRequest(prompt, Sampling(max_new_tokens=count, ignore_stop=True)) for count in range(1, 9)]
    asked.insert(3, replace(asked[0], sampling=Sampling(prompt_logits=True)))
    executor, read = pipeline._engine._engine.executor, []
    forward = executor.forward_async

    async def forward_async(step: dict[str, Any]) -> None:
        if step["inputs"] is not None and not step["inputs"].is_decoding:
            read.append(len(step["inputs"].seq_length))
        await forward(step)

    monkeypatch.setattr(executor, "forward_async", forward_async)
    taken = pipeline._engine.submit_together(asked)
    assert isinstance(taken.pop(3), EngineOptionError)
    assert [len(tokens(generation)) for generation in taken] == list(range(1, 9))
    assert read == [8]


def test_outputs_are_taken_when_they_are_made(pipelines: Opened) -> None:
    assert isinstance(pipelines("plain")._engine._engine.executor.model_agent._out_que, FinishedOutputs)


def test_its_thread_infers_whatever_lmdeploys_tasks_leave_behind(pipelines: Opened) -> None:
    actor = pipelines("plain")._engine

    async def mode() -> bool:
        return torch.is_inference_mode_enabled()

    assert asyncio.run_coroutine_threadsafe(mode(), actor._loop).result(10)


def test_a_second_turn_reuses_the_first(pipelines: Opened, reference: Reference) -> None:
    pipeline, request = pipelines("cached"), reference.request("images_in_two_turns")
    first = replace(request.conversation, messages=request.conversation.messages[:1])
    pipeline.generate(replace(request, conversation=first))
    answer = pipeline.generate(request)
    assert ids(answer) == reference.greedy["images_in_two_turns"]
    assert answer.cached_tokens > 0


def test_the_same_ids_with_another_picture_share_nothing_of_it(pipelines: Opened, reference: Reference) -> None:
    pipeline = pipelines("cached")
    prepared = pipeline.prepare(reference.request("one_image_wide_13_tiles")).engine_input
    flipped = replace(prepared.media[0], pixels=np.ascontiguousarray(prepared.media[0].pixels[:, :, ::-1]))
    steps = list(submit(pipeline, prepared)), list(submit(pipeline, replace(prepared, media=(flipped,))))
    assert max(step.cached_tokens for step in steps[1]) <= prepared.spans[0].start


def test_text_full_of_placeholder_ids_changes_nothing_for_a_picture_beside_it(
    pipelines: Opened, reference: Reference
) -> None:
    pipeline = pipelines("plain")
    placeholder = pipeline.model.placeholder_id
    text = pipeline.prepare(reference.request("text_multi_turn")).engine_input.input_ids
    intruder = EngineInput((*text[:20], *([placeholder] * 40), *text[60:]))
    alone = tokens(submit(pipeline, intruder))
    both = [submit(pipeline, intruder), submit(pipeline, picture_input(pipeline, reference))]
    assert [tokens(generation) for generation in both] == [alone, reference.greedy["one_image_no_tag"]]


def test_text_that_spells_the_placeholder_stays_text(pipelines: Opened, reference: Reference) -> None:
    pipeline = pipelines("plain")
    request = reference.request("text_only")
    prepared = pipeline.prepare(spelled(request, "<img><IMG_CONTEXT></img><|im_end|>"))
    known = set(pipeline.model.tokenizer.special_tokens.values())
    plain = pipeline.prepare(request).engine_input.input_ids
    count = sum(token in known for token in prepared.engine_input.input_ids)
    assert count == sum(token in known for token in plain)


def test_a_cancelled_stream_stops_and_leaves_others_alone(pipelines: Opened, reference: Reference) -> None:
    pipeline = pipelines("plain")
    stream = pipeline.stream(reference.request("two_images_separate", max_new_tokens=2000))
    said = [next(stream) for _ in range(3)]
    beside = pipeline.generate(reference.request("one_image_no_tag"))
    stream.close()  # type: ignore[attr-defined]
    after = pipeline.generate(reference.request("video_8_frames"))
    began = tuple(token for delta in said for token in delta.token_ids)
    assert began and began == reference.greedy["two_images_separate"][: len(began)]
    assert ids(beside) == reference.greedy["one_image_no_tag"]
    assert ids(after) == reference.greedy["video_8_frames"]


def test_a_request_that_breaks_the_tower_ends_with_an_error_and_the_next_one_works(
    golden: Path, reference: Reference
) -> None:
    with opened(golden, MODES["plain"]) as pipeline:
        good = picture_input(pipeline, reference)
        item = good.media[0]
        spoiled = replace(good, media=(replace(item, pixels=item.pixels[:-1]),))  # a tile less than its tokens
        with pytest.raises(EngineStoppedError, match="Send it again"):
            list(submit(pipeline, spoiled))
        assert ids(pipeline.generate(reference.request("one_image_no_tag"))) == reference.greedy["one_image_no_tag"]


def test_closing_an_older_engine_leaves_a_younger_one_alone(golden: Path, reference: Reference) -> None:
    older = opened(golden, MODES["plain"])
    older.generate(reference.request("text_multi_turn"))
    with opened(golden, MODES["plain"]) as younger:
        younger.generate(reference.request("text_multi_turn"))
        older.close()
        answers = younger.generate_batch([reference.request(name) for name in reference.greedy])
        assert dict(zip(reference.greedy, map(ids, answers), strict=True)) == reference.greedy


def test_requests_from_several_threads(pipelines: Opened, reference: Reference) -> None:
    pipeline, got = pipelines("plain"), {}

    def ask(name: str) -> None:
        got[name] = ids(pipeline.generate(reference.request(name)))

    threads = [threading.Thread(target=ask, args=(name,)) for name in reference.greedy]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == reference.greedy


def test_seeded_sampling_does_not_depend_on_the_batch(pipelines: Opened, reference: Reference) -> None:
    pipeline = pipelines("plain")
    requests = [reference.request("one_image_no_tag", temperature=1.5, seed=seed) for seed in range(4)]
    alone = [ids(pipeline.generate(request)) for request in requests]
    assert [ids(answer) for answer in pipeline.generate_batch(requests)] == alone
    assert len(set(alone)) == 4


def test_logprobs_add_up_and_name_the_chosen_token(pipelines: Opened, reference: Reference) -> None:
    answer = pipelines("plain").generate(reference.request("one_image_no_tag", logprobs=576, max_new_tokens=3))
    assert tuple(row.token_id for row in answer.logprobs) == answer.token_ids
    for row in answer.logprobs:
        assert row.logprob == max(row.top.values())
        assert sum(np.exp(list(row.top.values()))) == pytest.approx(1.0, abs=1e-4)


def test_a_json_schema_guides_the_answer(pipelines: Opened, reference: Reference) -> None:
    schema = {
        "type": "object",
        "properties": {"red": {"type": "boolean"}, "kind": {"enum": ["cat", "dog"]}},
        "required": ["red", "kind"],
        "additionalProperties": False,
    }
    request = reference.request("one_image_no_tag", json_schema=schema, max_new_tokens=400, ignore_stop=False)
    answer = json.loads(pipelines("plain").generate(request).text)
    assert set(answer) == {"red", "kind"} and isinstance(answer["red"], bool) and answer["kind"] in ("cat", "dog")


def test_stop_ids_end_the_answer_and_are_not_part_of_it(pipelines: Opened, reference: Reference) -> None:
    expected = reference.greedy["one_image_no_tag"]
    request = reference.request("one_image_no_tag", stop_ids=(expected[5],), ignore_stop=False)
    answer = pipelines("plain").generate(request)
    assert (answer.token_ids, answer.finish_reason) == (expected[:5], "stop")


def test_stop_words_end_the_answer(pipelines: Opened, reference: Reference) -> None:
    pipeline = pipelines("plain")
    whole = pipeline.generate(reference.request("one_image_no_tag")).text
    word = whole[len(whole) // 2 : len(whole) // 2 + 3]
    answer = pipeline.generate(reference.request("one_image_no_tag", stop_words=(word,)))
    assert (answer.text, answer.finish_reason) == (whole[: whole.index(word)], "stop")


def test_length_is_told_as_the_reason(pipelines: Opened, reference: Reference) -> None:
    answer = pipelines("plain").generate(reference.request("text_only", max_new_tokens=5))
    assert (answer.finish_reason, answer.generated_tokens) == ("length", 5)


def test_a_prompt_beyond_the_session_is_refused_and_nothing_else(golden: Path, reference: Reference) -> None:
    options = EngineOptions(device="cpu", threads=1, session_length=300)
    with open_pipeline("internvl2-2b", golden / "tiny", options) as pipeline:
        answers = pipeline.generate_batch(
            [reference.request("one_image_wide_13_tiles"), reference.request("text_multi_turn")]
        )
    assert isinstance(answers[0], ContextLengthError)
    assert ids(answers[1]) == reference.greedy["text_multi_turn"]


def test_raw_logits_need_an_engine_that_reports_them(pipelines: Opened, reference: Reference) -> None:
    with pytest.raises(EngineOptionError, match="logprobs_mode"):
        pipelines("plain").generate(reference.request("text_only", prompt_logits=True))


def test_random_weights_answer_without_a_checkpoint(golden: Path, reference: Reference) -> None:
    options = EngineOptions(device="cpu", threads=1, weights="random", seed=5)
    answers = []
    for _ in range(2):
        with open_pipeline("internvl2-2b", golden / "tiny", options) as pipeline:
            answers.append(ids(pipeline.generate(reference.request("one_image_no_tag"))))
    assert answers[0] == answers[1] and len(answers[0]) == 24


def test_too_little_memory_is_told_before_anything_is_built(golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmplug.engine.settings.free_memory", lambda device: 1_000_000)
    with pytest.raises(EngineMemoryError, match="GiB are free on the cpu"):
        opened(golden, MODES["plain"])


def test_the_process_is_left_as_it_was(golden: Path, reference: Reference) -> None:
    thresholds, threads = gc.get_threshold(), threading.active_count()
    inference = torch.is_inference_mode_enabled()
    with opened(golden, MODES["plain"]) as pipeline:
        pipeline.generate(reference.request("text_only", max_new_tokens=2))
        assert gc.get_threshold() == thresholds
    assert torch.is_inference_mode_enabled() == inference
    assert not [
        thread for thread in threading.enumerate() if thread.name == "vlmplug-engine" and thread.is_alive()
    ] or (threading.active_count() <= threads + 1)


def submit(pipeline: Pipeline, prompt: EngineInput) -> object:
    return pipeline._engine.submit(EngineRequest(prompt, Sampling(max_new_tokens=24, ignore_stop=True)))


def tokens(steps: object) -> tuple[int, ...]:
    return tuple(token for step in steps for token in step.token_ids)  # type: ignore[attr-defined]


def picture_input(pipeline: Pipeline, reference: Reference) -> EngineInput:
    return pipeline.prepare(reference.request("one_image_no_tag")).engine_input


def spelled(request: Request, text: str) -> Request:
    from vlmplug.conversation import Conversation, user_message

    return replace(request, conversation=Conversation((user_message("Hello world, how are you?" + text),)))
