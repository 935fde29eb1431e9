"""``inference_stream_lmdeploy``."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any, cast

import pytest

from tests.api.conftest import at_work, until
from tests.compat.conftest import CLIP, SHAPES
from tests.compat.test_batch import COUNT, FOUR, config
from vlmplug.compat.swift import (
    LmdeployEngine,
    Template,
    get_template,
    inference_lmdeploy,
    inference_stream_lmdeploy,
)
from vlmplug.errors import ConversationError, EngineStoppedError, MediaError, OptionError

LONG = config(max_new_tokens=3000, ignore_eos=True)


def test_each_text_begins_with_the_one_before(engine: LmdeployEngine, template: Template) -> None:
    requests = [{"query": "<video>Describe the video.", "videos": [CLIP]}]
    printed, texts = 0, []
    for responses in inference_stream_lmdeploy(engine, template, requests):
        assert responses[0] is not None
        texts.append(responses[0]["response"])
        assert texts[-1][:printed] == texts[max(0, len(texts) - 2)][:printed]
        printed = len(texts[-1])
    assert texts[-1] == "The pink square moves to the right."
    assert len(set(texts)) > 3


def test_the_end_is_what_a_batch_gives(engine: LmdeployEngine, template: Template) -> None:
    requests = [COUNT, {"query": "Hello", "history": [[f"<img>{SHAPES}</img>What?", "Shapes."]]}]
    *_, last = inference_stream_lmdeploy(engine, template, requests, generation_config=config(logprobs=2))
    batch = inference_lmdeploy(engine, template, requests, generation_config=config(logprobs=2))
    for streamed, whole in zip(last, batch, strict=True):
        assert streamed is not None
        assert {**streamed, "logprobs": None} == {**whole, "logprobs": None}
        for row, other in zip(streamed["logprobs"], whole["logprobs"], strict=True):
            assert row == pytest.approx(other, abs=1e-3)


def test_the_same_list_with_a_place_for_each_request(engine: LmdeployEngine, template: Template) -> None:
    seen = []
    lists = []
    for responses in inference_stream_lmdeploy(engine, template, [COUNT, {"query": "Hello"}, COUNT]):
        lists.append(responses)
        seen.append([response and response["response"] for response in responses])
    assert all(each is lists[0] for each in lists)
    assert None in seen[0]
    assert seen[-1][0] == seen[-1][2] == FOUR


def test_generation_info_grows(engine: LmdeployEngine, template: Template) -> None:
    info: dict[str, Any] = {}
    generated = []
    for _ in inference_stream_lmdeploy(engine, template, [COUNT, COUNT], generation_info=info):
        generated.append(info["num_generated_tokens"])
        assert info["num_prompt_tokens"] > 0 and info["runtime"] > 0
    assert generated == sorted(generated)
    batch: dict[str, Any] = {}
    inference_lmdeploy(engine, template, [COUNT, COUNT], generation_info=batch)
    counts = ("num_prompt_tokens", "num_generated_tokens", "num_samples")
    assert [info[name] for name in counts] == [batch[name] for name in counts]
    assert info["samples/s"] == pytest.approx(2 / info["runtime"])


def test_no_requests(engine: LmdeployEngine, template: Template) -> None:
    assert list(inference_stream_lmdeploy(engine, template, [])) == []


def test_a_prompt_that_is_too_long(engine: LmdeployEngine) -> None:
    template = get_template("internvl2", engine.hf_tokenizer, max_length=60)
    *_, last = inference_stream_lmdeploy(engine, template, [COUNT, {"query": "Hello", "system": "a"}])
    assert last[0] == {"response": "", "history": []}
    assert last[1] is not None and last[1]["response"]


def test_leaving_the_loop_ends_the_engine_s_work(engine: LmdeployEngine, template: Template) -> None:
    stream = inference_stream_lmdeploy(engine, template, [COUNT, COUNT], generation_config=LONG)
    next(stream)
    assert at_work(engine.model) > 0
    cast("Generator[Any, None, None]", stream).close()
    assert until(lambda: at_work(engine.model) == 0)


def test_in_a_running_event_loop(engine: LmdeployEngine, template: Template) -> None:
    async def cell() -> Any:
        *_, last = inference_stream_lmdeploy(engine, template, [COUNT])
        return last[0]

    assert asyncio.run(cell())["response"] == FOUR


def test_several_streams_in_several_threads(engine: LmdeployEngine, template: Template) -> None:
    found: list[Any] = []

    def ask() -> None:
        *_, last = inference_stream_lmdeploy(engine, template, [COUNT])
        found.append(last[0])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [response["response"] for response in found] == [FOUR] * 4


def test_a_bad_request_is_told_at_once(engine: LmdeployEngine, template: Template) -> None:
    with pytest.raises(ConversationError, match=r"request_list\[1\]"):
        inference_stream_lmdeploy(engine, template, [COUNT, {}])
    with pytest.raises(OptionError, match="generation_config is a dict"):
        inference_stream_lmdeploy(engine, template, [COUNT], generation_config={})  # type: ignore[arg-type]


def test_a_picture_that_cannot_be_read_ends_the_iteration(engine: LmdeployEngine, template: Template) -> None:
    stream = inference_stream_lmdeploy(
        engine, template, [COUNT, {"query": "a", "images": "missing.png"}], generation_config=LONG
    )
    with pytest.raises(MediaError, match=r"request_list\[1\]: images\[0\]: 'missing\.png'"):
        list(stream)
    assert until(lambda: at_work(engine.model) == 0)


def test_an_engine_that_was_closed(engine: LmdeployEngine, template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.model.pipeline, "_closed", True)
    with pytest.raises(EngineStoppedError, match="closed"):
        list(inference_stream_lmdeploy(engine, template, [COUNT]))
