"""Answers are those of the official computation, however requests are mixed, cut, cached, grown and shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from plugins.qwen_vl.tests.native import NativeModel
from tests.changed_weights import without, write_changed
from tests.family_engine import Expected, Opened, Settings, greedy_request, pictures, remembered
from tests.reference import Reference, ids
from vlmplug.conversation import Message, assistant_message, user_message
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.model import FamilyModel
from vlmplug.pipeline import Request, open_pipeline
from vlmplug.sampling import Answer

TOKENS = 8

#: How the engine is set up; with blocks of 16 tokens, whose borders lie in and between pictures.
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"prefix_caching": False},
    "chunked": {"prefix_caching": False, "max_prefill_tokens": 96},
    "cached": {"prefix_caching": True},
    "chunked and cached": {"prefix_caching": True, "max_prefill_tokens": 80},
    "little room": {"prefix_caching": True, "kv_blocks": 110},
}
#: 512 tokens are the trained length of the checkpoint.
LONG, ALMOST_LONG = "alpha beta 12, " * 42, "alpha beta 12, " * 36


#: Prompts below, across and far above the trained length.
CONVERSATIONS: dict[str, tuple[Message, ...]] = {
    "one picture": (user_message("Is it dark?", pictures(1)),),
    "two pictures": (user_message("Compare the two images.", pictures(2, 3)),),
    "a long text": (user_message(LONG),),
    "a long text and two pictures": (user_message(LONG, pictures(2, 3)),),
    "pictures in two turns": (
        user_message("Describe this.", pictures(4)),
        assistant_message("A small red fox."),
        user_message("And this?", pictures(6)),
    ),
}


@pytest.fixture(scope="module")
def opened(model: FamilyModel) -> Iterator[Opened]:
    with Settings("qwen-vl-chat", model.folder, SETTINGS) as settings:
        yield settings


@pytest.fixture(scope="module")
def expected(native: NativeModel) -> Expected:
    return remembered(native)


def request(*messages: Message, tokens: int = TOKENS, **sampling: Any) -> Request:
    return greedy_request(*messages, tokens=tokens, **sampling)


def test_the_native_model_is_the_official_one(opened: Opened, native: NativeModel, reference: Reference) -> None:
    for name in ("long_text", "boundary_512", "text_only"):
        prompt = opened("plain").prepare(reference.request(name)).engine_input
        assert native.greedy(prompt, 6) == reference.greedy[name][:6]


@pytest.mark.parametrize("setting", SETTINGS)
def test_answers_do_not_depend_on_the_setting(
    setting: str, opened: Opened, expected: Expected, reference: Reference
) -> None:
    pipeline = opened(setting)
    requests = [request(*messages) for messages in CONVERSATIONS.values()]
    want = [expected(pipeline, asked) for asked in requests]
    assert [ids(pipeline.generate(asked)) for asked in requests] == want, "one after the other"
    official = [reference.request(name) for name in reference.greedy]
    together = list(map(ids, pipeline.generate_batch([*requests, *official])))
    assert together == [*want, *reference.greedy.values()], "all at once"


def test_prompts_of_one_beginning_and_several_lengths_keep_their_own_keys(opened: Opened, expected: Expected) -> None:
    pipeline = opened("cached")
    texts = ["alpha beta 12, " * count for count in (20, 40, 25, 45, 90)]
    answers = [pipeline.generate(request(user_message(text))) for text in texts]
    assert list(map(ids, answers)) == [expected(pipeline, request(user_message(text))) for text in texts]
    cached = [answer.cached_tokens for answer in answers]
    assert cached[2] > 100 and cached[3] > 300, "prompts with one factor share their beginnings"
    assert (cached[1], cached[4]) == (0, 0), "keys of another factor were taken"


def test_an_answer_grows_past_the_trained_length(opened: Opened, expected: Expected, native: NativeModel) -> None:
    """Queries grow from there on; the factor of the rotary base stays that of the prompt."""
    pipeline, asked = opened("plain"), request(user_message(ALMOST_LONG), tokens=40)
    prompt = pipeline.prepare(asked).engine_input
    assert len(prompt.input_ids) < 512 < len(prompt.input_ids) + 40
    beside = request(*CONVERSATIONS["a long text and two pictures"], tokens=40)
    alone, _, together = (ids(answer) for answer in pipeline.generate_batch([asked, beside, asked]))
    assert alone == together == expected(pipeline, asked)


def test_a_second_turn_that_crosses_the_border_is_computed_anew(opened: Opened, expected: Expected) -> None:
    pipeline, messages = opened("cached"), CONVERSATIONS["one picture"]
    first = pipeline.generate(request(*messages))
    for question, reuses in (("Sure?", True), (LONG, False)):
        messages = (*messages, assistant_message(first.text, first.token_ids), user_message(question))
        asked = request(*messages)
        answer = pipeline.generate(asked)
        assert ids(answer) == expected(pipeline, asked)
        assert (answer.cached_tokens >= 256) == reuses
        first = answer


def test_other_pictures_are_not_taken_from_the_cache(opened: Opened, expected: Expected) -> None:
    pipeline = opened("cached")
    for seeds in ((2, 3), (3, 2), (2, 9)):
        asked = request(user_message("Compare.", pictures(*seeds)))
        assert ids(pipeline.generate(asked)) == expected(pipeline, asked)


def test_both_rules_matter(opened: Opened, native: NativeModel) -> None:
    asked = request(user_message(LONG), tokens=1, prompt_logits=True)
    prompt = opened("plain").prepare(asked).engine_input
    found = torch.tensor(opened("plain").generate(asked).prompt_logits)
    torch.testing.assert_close(found, native.logits(prompt), atol=1e-4, rtol=1e-4)
    assert (found - native.logits(prompt, alpha=1.0)).abs().max() > 1


def test_a_stream_says_what_the_whole_answer_says(opened: Opened) -> None:
    pipeline, asked = opened("cached"), request(*CONVERSATIONS["two pictures"])
    *deltas, last = pipeline.stream(asked)
    whole = pipeline.generate(asked)
    assert last.answer is not None and last.answer.token_ids == whole.token_ids
    assert "".join(delta.text for delta in (*deltas, last)) == whole.text


def test_ids_of_a_picture_in_an_answer_are_text_beside_pictures(
    opened: Opened, expected: Expected, model: FamilyModel
) -> None:
    pipeline = opened("plain")
    begin, end = (model.tokenizer.special_id(token) for token in ("<img>", "</img>"))
    literal = (begin, *(model.placeholder_id,) * 256, end)
    texts = request(user_message("Hello"), assistant_message("", literal), user_message("Is it dark?"))
    requests = [texts, request(*CONVERSATIONS["two pictures"]), texts]
    assert list(map(ids, pipeline.generate_batch(requests))) == [expected(pipeline, asked) for asked in requests]


def test_weights_in_files_of_pytorch(
    golden: Path, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the official repositories have them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for file in (golden / "tiny").iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).symlink_to(file)
    torch.save(load_file(golden / "tiny" / "model.safetensors"), folder / "pytorch_model.bin")
    with open_pipeline("qwen-vl-chat", folder, EngineOptions("cpu", threads=1)) as pipeline:
        assert ids(pipeline.generate(reference.request("one_image"))) == reference.greedy["one_image"]


def test_weights_without_the_positions_of_the_queries(golden: Path, reference: Reference, tmp_path: Path) -> None:
    write_changed(golden / "tiny", tmp_path, without("transformer.visual.attn_pool.pos_embed"))
    with open_pipeline("qwen-vl-chat", tmp_path, EngineOptions("cpu", threads=1)) as pipeline:
        assert ids(pipeline.generate(reference.request("one_image"))) == reference.greedy["one_image"]


@pytest.mark.slow
def test_two_ranks_compute_what_one_does(model: FamilyModel, opened: Opened, reference: Reference) -> None:
    names = ("text_only", "two_images", "boundary_512", "long_text")
    asked = [reference.request(name, prompt_logits=True) for name in names]
    one = opened("plain").generate_batch(asked)
    scheduler = SchedulerOptions(logprobs_mode="logits", max_prefill_tokens=96)
    options = EngineOptions("cpu", tp=2, threads=2, scheduler=scheduler)
    with open_pipeline("qwen-vl-chat", model.folder, options) as pipeline:
        two = pipeline.generate_batch(asked)
    assert list(map(ids, two)) == [reference.greedy[name] for name in names]
    for alone, shared in zip(one, two, strict=True):
        assert isinstance(alone, Answer) and isinstance(shared, Answer)
        logits, others = np.asarray(alone.prompt_logits), np.asarray(shared.prompt_logits)
        assert np.abs(logits - others).max() <= 1e-5 * np.abs(logits).max()
