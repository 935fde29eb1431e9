"""The defects of ms-swift 2.6 that `docs/swift.md` lists, one by one: none of them is here."""

from __future__ import annotations

import asyncio
import copy
import threading
from typing import Any

import pytest
from PIL import Image

from tests.compat.conftest import SHAPES
from tests.compat.test_batch import COUNT, FOUR, config
from vlmplug.compat.swift import (
    InferArguments,
    LmdeployEngine,
    LmdeployGenerationConfig,
    Template,
    get_template,
    inference_lmdeploy,
    inference_stream_lmdeploy,
)
from vlmplug.compat.swift.preparation import _configure
from vlmplug.errors import EngineStoppedError, OptionError


def test_1_an_error_of_the_engine_ends_a_stream(
    engine: LmdeployEngine, template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the consumer waited for ever."""
    long = config(max_new_tokens=3000, ignore_eos=True)
    stream = inference_stream_lmdeploy(engine, template, [COUNT], generation_config=long)
    next(stream)
    for generation in list(engine.model.pipeline._engine._generations):
        generation.stop()
    failures: list[BaseException] = []

    def consume() -> None:
        try:
            list(stream)
        except EngineStoppedError as error:
            failures.append(error)

    thread = threading.Thread(target=consume, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive() and len(failures) == 1


def test_2_all_samples_count_whatever_the_batch_size(engine: LmdeployEngine, template: Template) -> None:
    """There only the last batch counted."""
    info: dict[str, Any] = {}
    found = inference_lmdeploy(engine, template, [COUNT] * 5, generation_info=info, max_batch_size=2)
    assert [response["response"] for response in found] == [FOUR] * 5
    assert info["num_samples"] == 5
    assert info["samples/s"] == pytest.approx(5 / info["runtime"])


@pytest.mark.parametrize("where", ["the call", "the template"])
def test_3_the_truncation_strategy_holds_for_every_request(engine: LmdeployEngine, where: str) -> None:
    """There it held for the first one, and the second raised ``KeyError: 'input_ids'``."""
    own = "truncation_left" if where == "the template" else "delete"
    more = {} if where == "the template" else {"truncation_strategy": "truncation_left"}
    template = get_template("internvl2", engine.hf_tokenizer, max_length=40, truncation_strategy=own)  # type: ignore[arg-type]
    info: dict[str, Any] = {}
    requests = [{"query": "word " * 100}] * 3
    found = inference_lmdeploy(engine, template, requests, generation_info=info, **more)
    assert all(response["response"] for response in found)
    assert info["num_prompt_tokens"] == 3 * 40


def test_4_a_configuration_of_another_class_is_told(engine: LmdeployEngine, template: Template) -> None:
    """There it was ``AssertionError('')``."""
    with pytest.raises(OptionError, match=r"generation_config is a dict\. Give an LmdeployGenerationConfig"):
        inference_lmdeploy(engine, template, [COUNT], generation_config={"n": 1})  # type: ignore[arg-type]


def test_5_stop_words_of_the_arguments_count(engine: LmdeployEngine, template: Template) -> None:
    """There they were read and dropped."""
    before = copy.copy(engine.generation_config)
    try:
        _configure(engine, InferArguments("internvl2-tiny", stop_words=[" four"]))
        found = inference_lmdeploy(engine, template, [COUNT])
    finally:
        engine.generation_config = before
    assert found[0]["response"] == "There are"


@pytest.mark.usefixtures("engine")
def test_6_nothing_of_transformers_is_patched() -> None:
    """There ``AutoTokenizer.from_pretrained`` was another function while an engine was made, or for ever."""
    from transformers import AutoTokenizer

    assert AutoTokenizer.from_pretrained.__func__.__module__.startswith("transformers.")


def test_7_one_template_serves_several_threads_and_is_never_changed(engine: LmdeployEngine, template: Template) -> None:
    """There a call set a flag on it, which others saw."""
    before, answers = dict(vars(template)), []

    def ask() -> None:
        answers.append(inference_lmdeploy(engine, template, [COUNT])[0]["response"])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [FOUR] * 4
    assert vars(template) == before


def test_8_answers_are_not_cut_after_64_tokens(engine: LmdeployEngine, template: Template) -> None:
    """There that was the default."""
    info: dict[str, Any] = {}
    whole = LmdeployGenerationConfig(do_sample=False, ignore_eos=True)
    whole.max_new_tokens = min(whole.max_new_tokens, 128)
    inference_lmdeploy(engine, template, [COUNT], generation_config=whole, generation_info=info)
    assert info["num_generated_tokens"] == 128


class Uncopied(Image.Image):
    """A picture that nobody may copy."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("copied")


def test_9_requests_are_neither_copied_nor_changed(engine: LmdeployEngine, template: Template) -> None:
    """There all of them were, pictures included."""
    picture = Image.open(SHAPES).convert("RGB")
    picture.__class__ = Uncopied
    with pytest.raises(AssertionError, match="copied"):
        copy.deepcopy(picture)
    history = [["Hello", "Hi"]]
    request = {"query": "<image>How many shapes are there?", "images": [picture], "history": history}
    before = dict(request)
    found = inference_lmdeploy(engine, template, [request])
    assert found[0]["response"]
    assert request == before and history == [["Hello", "Hi"]]
    assert found[0]["history"] is not history


def test_10_a_running_event_loop_is_no_obstacle(engine: LmdeployEngine, template: Template) -> None:
    """There ``asyncio.run`` failed, in Jupyter above all."""

    async def cell() -> list[Any]:
        batch = inference_lmdeploy(engine, template, [COUNT])
        *_, stream = inference_stream_lmdeploy(engine, template, [COUNT])
        return [batch[0]["response"], stream[0] and stream[0]["response"]]

    assert asyncio.run(cell()) == [FOUR, FOUR]


def test_a_call_leaves_no_thread_behind(engine: LmdeployEngine, template: Template) -> None:
    inference_lmdeploy(engine, template, [COUNT])
    list(inference_stream_lmdeploy(engine, template, [COUNT]))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("vlmplug-swift", "vlmplug-loop"))]
