"""``inference_lmdeploy``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from tests.compat.conftest import BEFORE, CLIP, SHAPES
from vlmplug.compat.swift import (
    LmdeployEngine,
    LmdeployGenerationConfig,
    SwiftValueError,
    Template,
    get_template,
    inference_lmdeploy,
)
from vlmplug.errors import ConversationError, EngineStoppedError, MediaError, OptionError, PlacementError

COUNT = {"query": "<image>How many shapes are there?", "images": [SHAPES]}
FOUR = "There are four shapes."


def config(**changes: Any) -> LmdeployGenerationConfig:
    return LmdeployGenerationConfig(**{"max_new_tokens": 64, "do_sample": False, **changes})


def test_answers_in_order_with_their_histories(engine: LmdeployEngine, template: Template) -> None:
    requests = [COUNT, {"query": "Describe the video.", "videos": CLIP}, {"query": f"<img>{BEFORE}</img>Describe."}]
    responses = inference_lmdeploy(engine, template, requests)
    assert [response["response"] for response in responses[:2]] == [FOUR, "The pink square moves to the right."]
    for request, response in zip(requests, responses, strict=True):
        assert response["history"] == [[request["query"], response["response"]]]
        assert set(response) == {"response", "history"}


def test_the_same_picture_inline_by_tag_and_in_front(engine: LmdeployEngine, template: Template) -> None:
    query = "How many shapes are there?"
    requests = [{"query": f"<img>{SHAPES}</img>{query}"}, COUNT, {"query": query, "images": [Image.open(SHAPES)]}]
    answers = [response["response"] for response in inference_lmdeploy(engine, template, requests)]
    assert answers == [FOUR, FOUR, FOUR]


def test_a_second_turn_sees_the_first_one_s_picture(engine: LmdeployEngine, template: Template) -> None:
    first = inference_lmdeploy(engine, template, [{"query": f"<img>{SHAPES}</img>Describe the image."}])[0]
    info: dict[str, Any] = {}
    second = {"query": "How many shapes are there?", "history": first["history"]}
    found = inference_lmdeploy(engine, template, [second], generation_info=info)[0]
    assert found["response"] == FOUR
    assert found["history"] == [[f"<img>{SHAPES}</img>Describe the image.", first["response"]], [second["query"], FOUR]]
    assert info["num_prompt_tokens"] > 100
    assert second["history"] == first["history"] and len(first["history"]) == 1


def test_generation_info(engine: LmdeployEngine, template: Template) -> None:
    info: dict[str, Any] = {"old": 1}
    requests = [COUNT, {"query": "Hello"}]
    inference_lmdeploy(engine, template, requests, generation_info=info)
    assert set(info) == {"num_prompt_tokens", "num_generated_tokens", "num_samples", "runtime", "samples/s", "tokens/s"}
    prepared = engine.model.generate("How many shapes are there?", images=SHAPES)
    hello = engine.model.generate("Hello")
    assert info["num_generated_tokens"] == prepared.generated_tokens + hello.generated_tokens + 2  # two stop tokens
    assert abs(info["num_prompt_tokens"] - prepared.prompt_tokens - hello.prompt_tokens) <= 1  # a line break
    assert info["samples/s"] == pytest.approx(2 / info["runtime"])
    assert info["tokens/s"] == pytest.approx(info["num_generated_tokens"] / info["runtime"])


def test_no_requests(engine: LmdeployEngine, template: Template) -> None:
    info = {"old": 1}
    assert inference_lmdeploy(engine, template, [], generation_info=info) == []
    assert info == {"old": 1}


def test_the_system_prompt_of_a_template(engine: LmdeployEngine) -> None:
    info: dict[str, Any] = {}
    counts = []
    for system in (None, "You count."):
        template = get_template("internvl2", engine.hf_tokenizer, system)
        inference_lmdeploy(engine, template, [{"query": "Hello"}], generation_info=info)
        counts.append(info["num_prompt_tokens"])
    assert counts[0] != counts[1]


def test_prompts_and_answers_are_printed(
    engine: LmdeployEngine, template: Template, capsys: pytest.CaptureFixture[str]
) -> None:
    inference_lmdeploy(engine, template, [COUNT], verbose=True, prompt_prefix="P:", output_prefix="O:")
    printed = capsys.readouterr().out
    assert printed.startswith("P:<|im_start|>system\n")
    assert printed.endswith(f"<image>How many shapes are there?<|im_end|><|im_start|>assistant\nO:{FOUR}\n")


def test_a_progress_bar(engine: LmdeployEngine, template: Template, capsys: pytest.CaptureFixture[str]) -> None:
    inference_lmdeploy(engine, template, [COUNT, COUNT], use_tqdm=True)
    shown = capsys.readouterr()
    assert "2/2" in shown.err and shown.out == ""


def test_logprobs(engine: LmdeployEngine, template: Template) -> None:
    found = inference_lmdeploy(engine, template, [COUNT], generation_config=config(logprobs=3))[0]
    tokenizer = engine.hf_tokenizer
    likeliest = [max(row, key=lambda token: row[token]) for row in found["logprobs"]]
    assert tokenizer.decode(likeliest) == FOUR
    assert all(3 <= len(row) <= 4 and max(row.values()) <= 0 for row in found["logprobs"])


def test_stop_words_end_an_answer(engine: LmdeployEngine, template: Template) -> None:
    word, token = " four", engine.hf_tokenizer.encode(" four")
    found = inference_lmdeploy(engine, template, [COUNT], generation_config=config(stop_words=[word]))
    assert found[0]["response"] == "There are"
    if len(token) == 1:
        found = inference_lmdeploy(engine, template, [COUNT], generation_config=config(stop_words=token))
        assert found[0]["response"] == "There are"


def test_special_tokens_of_an_answer_are_kept_unless_told_otherwise(engine: LmdeployEngine, template: Template) -> None:
    """Generation goes on behind the stop token, which is special."""
    texts = [
        inference_lmdeploy(
            engine,
            template,
            [COUNT],
            generation_config=config(max_new_tokens=12, ignore_eos=True, skip_special_tokens=skip),
        )[0]["response"]
        for skip in (False, True)
    ]
    assert texts[0].startswith(f"{FOUR}<|im_end|>")
    assert "<|" not in texts[1] and texts[1].startswith(FOUR)


def test_seeds(engine: LmdeployEngine, template: Template) -> None:
    hot = config(do_sample=True, temperature=2.0, top_k=0, max_new_tokens=24, ignore_eos=True)

    def asked(**changes: Any) -> list[str]:
        requests = [{"query": "Hello"}] * 3
        responses = inference_lmdeploy(engine, template, requests, generation_config=replace(hot, **changes))
        return [response["response"] for response in responses]

    assert len({*asked(random_seed=1), *asked(random_seed=1)}) == 1
    assert asked(random_seed=1)[0] != asked(random_seed=2)[0]
    import random

    random.seed(3)
    first = asked()
    random.seed(3)
    assert asked() == first
    assert len(set(first)) == 3


def test_media_options_of_the_engine(engine: LmdeployEngine, template: Template) -> None:
    counts = []
    for options in ({}, {"max_num": 1}):
        info: dict[str, Any] = {}
        engine.media_options = options
        inference_lmdeploy(engine, template, [{"query": "What?", "images": BEFORE}], generation_info=info)
        counts.append(info["num_prompt_tokens"])
    engine.media_options = {}
    assert counts[0] > counts[1]


def test_too_long_a_prompt_is_passed_over(engine: LmdeployEngine, caplog: pytest.LogCaptureFixture) -> None:
    template = get_template("internvl2", engine.hf_tokenizer, max_length=60)
    info: dict[str, Any] = {}
    requests = [COUNT, {"query": "Hello", "system": "a"}, {"query": "a" * 2000, "history": [["b", "c"]]}]
    found = inference_lmdeploy(engine, template, requests, generation_info=info)
    assert [bool(response["response"]) for response in found] == [False, True, False]
    assert (found[0]["history"], found[2]["history"]) == ([], [["b", "c"]])
    assert info["num_samples"] == 1
    assert "request_list[0] is answered with nothing" in caplog.text


def test_or_cut(engine: LmdeployEngine) -> None:
    template = get_template("internvl2", engine.hf_tokenizer, max_length=60, truncation_strategy="truncation_left")
    info: dict[str, Any] = {}
    found = inference_lmdeploy(engine, template, [{"query": "b " * 200 + "Hello"}], generation_info=info)
    assert found[0]["response"]
    assert info["num_prompt_tokens"] == 60


def test_too_long_for_the_engine(engine: LmdeployEngine, template: Template) -> None:
    assert inference_lmdeploy(engine, template, [{"query": "word " * 5000}])[0] == {"response": "", "history": []}


def test_in_a_running_event_loop(engine: LmdeployEngine, template: Template) -> None:
    async def cell() -> str:
        return str(inference_lmdeploy(engine, template, [COUNT])[0]["response"])

    assert asyncio.run(cell()) == FOUR


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"query": "a", "images": ["missing.png"]}, MediaError, r"request_list\[1\]: images\[0\]: 'missing.png'"),
        ({"images": []}, ConversationError, r"request_list\[1\]: There is no 'query'"),
        ({"query": "<image><image>a", "images": [SHAPES]}, PlacementError, r"request_list\[1\]: Number of images: 1"),
        ({"query": f"<img>{SHAPES}</img>", "images": [SHAPES]}, SwiftValueError, r"request_list\[1\]: Do not mix"),
    ],
)
def test_a_bad_request_ends_the_call_and_is_named(
    engine: LmdeployEngine, template: Template, bad: dict[str, Any], error: type[Exception], message: str
) -> None:
    """As in swift; `engine.model.batch` lets each fail alone."""
    with pytest.raises(error, match=message):
        inference_lmdeploy(engine, template, [COUNT, bad, COUNT])
    assert inference_lmdeploy(engine, template, [COUNT])[0]["response"] == FOUR


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"max_batch_size": 0}, "max_batch_size is 0"),
        ({"use_tqdm": True, "verbose": True}, "use_tqdm and verbose"),
        ({"generation_info": []}, "generation_info is a list"),
        ({"truncation_strategy": "right"}, "truncation_strategy is 'right'"),
        ({"generation_confg": None}, "inference takes no 'generation_confg'"),
    ],
)
def test_parameters_that_cannot_be_had(
    engine: LmdeployEngine, template: Template, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        inference_lmdeploy(engine, template, [COUNT], **more)


def test_things_of_another_kind(engine: LmdeployEngine, template: Template) -> None:
    with pytest.raises(OptionError, match="The engine is a Template"):
        inference_lmdeploy(template, template, [COUNT])  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="The template is a str"):
        inference_lmdeploy(engine, "internvl2", [COUNT])  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"The template is a Template\. Make one with get_template"):
        inference_lmdeploy(engine, Template([], [], [], []), [COUNT])
    with pytest.raises(OptionError, match="request_list is a dict"):
        inference_lmdeploy(engine, template, COUNT)  # type: ignore[arg-type]


def test_an_engine_that_was_closed(engine: LmdeployEngine, template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.model.pipeline, "_closed", True)
    with pytest.raises(EngineStoppedError, match="closed"):
        inference_lmdeploy(engine, template, [COUNT])
