"""Positions, pictures and placeholders in the engine: the same tokens as without cache, chunks and neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from plugins.glm4v.tests.native import NativeModel
from tests.family_engine import Expected, Opened, Settings, greedy_request, pictures, remembered
from tests.reference import Reference, ids
from vlmplug.conversation import Message, assistant_message, user_message
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.engine.request import EngineRequest
from vlmplug.errors import RequestError
from vlmplug.model import EngineInput, FamilyModel
from vlmplug.pipeline import Request, open_pipeline
from vlmplug.sampling import Answer, Sampling

TOKENS = 12
LONG = "What is shown in the image? Describe it, and compare it with the other one. " * 2

#: How the engine is set up; blocks of 16 tokens, so that their borders lie in and between pictures.
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"prefix_caching": False},
    "chunked": {"prefix_caching": False, "max_prefill_tokens": 32},
    "cached": {"prefix_caching": True},
    "chunked and cached": {"prefix_caching": True, "max_prefill_tokens": 16},
    "little room": {"prefix_caching": True, "kv_blocks": 26},
}


#: Questions whose pictures stand apart, next to each other, and far down a long prompt.
CONVERSATIONS: dict[str, tuple[Message, ...]] = {
    "one picture": (user_message("Is it dark?", pictures(1)),),
    "two pictures": (user_message("Compare the two images.", pictures(2, 3)),),
    "two pictures and a long text": (user_message(LONG, pictures(2, 3)),),
    "pictures in three turns": (
        user_message("Describe this.", pictures(4)),
        assistant_message("A small red fox."),
        user_message(LONG, pictures(5)),
        assistant_message("Yes."),
        user_message("And this?", pictures(6)),
    ),
    "no picture": (user_message(LONG),),
}


@pytest.fixture(scope="module")
def opened(model: FamilyModel) -> Iterator[Opened]:
    with Settings("glm4v-9b-chat", model.folder, SETTINGS) as settings:
        yield settings


@pytest.fixture(scope="module")
def expected(native: NativeModel) -> Expected:
    return remembered(native)


def request(*messages: Message, tokens: int = TOKENS, **sampling: Any) -> Request:
    return greedy_request(*messages, tokens=tokens, **sampling)


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


@pytest.mark.parametrize("name", ["two pictures and a long text", "pictures in three turns"])
def test_a_second_turn_after_a_hit_goes_on_where_the_first_ended(name: str, opened: Opened, expected: Expected) -> None:
    pipeline, messages = opened("cached"), CONVERSATIONS[name]
    first = pipeline.generate(request(*messages))
    messages = (*messages, assistant_message(first.text, first.token_ids), user_message(LONG, pictures(7)))
    second = request(*messages)
    answer = pipeline.generate(second)
    assert answer.cached_tokens > 4 + 18, "nothing behind a picture was taken from the cache"
    assert ids(answer) == expected(pipeline, second)
    messages = (*messages, assistant_message(answer.text, answer.token_ids), user_message("Thanks"))
    third = request(*messages)
    assert ids(pipeline.generate(third)) == expected(pipeline, third)


def test_other_pictures_are_not_taken_from_the_cache(opened: Opened, expected: Expected) -> None:
    pipeline = opened("cached")
    for seeds in ((2, 3), (3, 2), (2, 9)):
        asked = request(user_message(LONG, pictures(*seeds)))
        assert ids(pipeline.generate(asked)) == expected(pipeline, asked)


def test_a_stream_says_what_the_whole_answer_says(opened: Opened) -> None:
    pipeline, asked = opened("cached"), request(*CONVERSATIONS["two pictures"])
    *deltas, last = pipeline.stream(asked)
    whole = pipeline.generate(asked)
    assert last.answer is not None and last.answer.token_ids == whole.token_ids
    assert "".join(delta.text for delta in (*deltas, last)) == whole.text


def test_ids_of_a_picture_in_a_text_are_text_beside_pictures(
    opened: Opened, expected: Expected, model: FamilyModel
) -> None:
    pipeline, edges = opened("plain"), model.placeholder_edges
    assert edges is not None
    literal = (edges[0], *(model.placeholder_id,) * 16, edges[1])
    text = request(user_message("Hello"), assistant_message("", literal), user_message("Is it dark?"))
    with_picture = request(*CONVERSATIONS["two pictures"])
    requests = [text, with_picture, text]
    assert list(map(ids, pipeline.generate_batch(requests))) == [expected(pipeline, asked) for asked in requests]


def test_the_second_of_two_pictures_has_its_own_position(opened: Opened, native: NativeModel) -> None:
    """lmdeploy's own rule takes one position too many off behind the first picture."""
    pipeline = opened("plain")
    asked = request(*CONVERSATIONS["two pictures"], tokens=1, prompt_logits=True)
    prompt = pipeline.prepare(asked).engine_input
    found = torch.tensor(pipeline.generate(asked).prompt_logits)
    second = prompt.spans[1].start
    assert prompt.position_ids is not None
    shifted = (*prompt.position_ids[: second + 1], *(place - 1 for place in prompt.position_ids[second + 1 :]))
    torch.testing.assert_close(found, native.logits(prompt), atol=1e-4, rtol=1e-4)
    assert (found - native.logits(prompt, positions=shifted)).abs().max() > 0.1, "the rule makes no difference"


def test_keys_in_the_cache_belong_to_their_positions(opened: Opened, native: NativeModel) -> None:
    """The same ids and pictures at other positions are another prompt."""
    pipeline = opened("cached")
    prompt = pipeline.prepare(request(user_message(LONG, pictures(8)))).engine_input
    other = EngineInput(prompt.input_ids, prompt.spans, prompt.media)
    for asked in (prompt, other, prompt):
        sampling = Sampling(max_new_tokens=TOKENS, ignore_stop=True, temperature=0.0)
        steps = pipeline._running().submit(EngineRequest(asked, sampling))
        assert tuple(token for step in steps for token in step.token_ids) == native.greedy(asked)


def test_positions_that_do_not_count_on_are_refused(opened: Opened) -> None:
    pipeline = opened("plain")
    good = pipeline.prepare(request(*CONVERSATIONS["one picture"])).engine_input
    assert good.position_ids is not None
    jumping = EngineInput(good.input_ids, good.spans, good.media, (*good.position_ids[:-1], 99))
    with pytest.raises(RequestError, match="do not count on from 7"):
        pipeline._running().submit(EngineRequest(jumping, Sampling()))


@pytest.mark.slow
def test_two_ranks_compute_what_one_does(model: FamilyModel, opened: Opened, reference: Reference) -> None:
    asked = [reference.request(name, prompt_logits=True) for name in reference.greedy]
    one = opened("plain").generate_batch(asked)
    scheduler = SchedulerOptions(logprobs_mode="logits", max_prefill_tokens=64)
    options = EngineOptions("cpu", tp=2, threads=2, scheduler=scheduler)
    with open_pipeline("glm4v-9b-chat", model.folder, options) as pipeline:
        two = pipeline.generate_batch(asked)
    assert list(map(ids, two)) == list(reference.greedy.values())
    for alone, shared in zip(one, two, strict=True):
        assert isinstance(alone, Answer) and isinstance(shared, Answer)
        difference = np.abs(np.asarray(alone.prompt_logits) - np.asarray(shared.prompt_logits)).max()
        assert difference < 1e-5
