"""Prompts that may not be longer than so many ids."""

from __future__ import annotations

import numpy as np
import pytest

from tests.compat.conftest import SHAPES
from vlmplug.compat.swift.limit import LimitedPreparer, LimitedRequest, TruncatingPreparer, without_beginning
from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.errors import ContextLengthError, OptionError
from vlmplug.host import PluginHost
from vlmplug.model import EngineInput, MediaInput, MediaSpan
from vlmplug.pipeline import Prepared, Request, open_preparer
from vlmplug.registry import load_registry
from vlmplug.sampling import Sampling

MEDIA = tuple(
    MediaInput(np.full((1, 2, 2, 3), shade, np.uint8), 3, None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)) for shade in range(2)
)
#: Ten ids, of which 2 to 4 and 6 to 8 belong to pictures.
PROMPT = EngineInput(tuple(range(10)), (MediaSpan(0, 2, 3), MediaSpan(1, 6, 3)), MEDIA)


@pytest.mark.parametrize(
    ("count", "first", "spans"),
    [
        (1, 1, [(0, 1, 3), (1, 5, 3)]),
        (2, 2, [(0, 0, 3), (1, 4, 3)]),
        (3, 5, [(0, 1, 3)]),
        (4, 5, [(0, 1, 3)]),
        (5, 5, [(0, 1, 3)]),
        (6, 6, [(0, 0, 3)]),
        (8, 9, []),
        (9, 9, []),
    ],
)
def test_a_beginning_is_cut_off_and_no_picture_is_cut_in_two(
    count: int, first: int, spans: list[tuple[int, int, int]]
) -> None:
    cut = without_beginning(PROMPT, count)
    assert cut.input_ids == tuple(range(first, 10))
    assert [(span.item, span.start, span.length) for span in cut.spans] == spans
    assert cut.media == MEDIA[2 - len(spans) :]


@pytest.mark.parametrize(
    ("count", "first", "spans"),
    [
        (1, 1, [(0, 1, 1), (0, 3, 2), (1, 7, 1), (1, 9, 2)]),
        (3, 6, [(0, 2, 1), (0, 4, 2)]),
        (5, 6, [(0, 2, 1), (0, 4, 2)]),
        (7, 7, [(0, 1, 1), (0, 3, 2)]),
        (9, 12, []),
    ],
)
def test_a_picture_with_several_spans_goes_as_a_whole(
    count: int, first: int, spans: list[tuple[int, int, int]]
) -> None:
    """Of thirteen ids 2, 4 and 5 belong to one picture, 8, 10 and 11 to the other."""
    places = ((0, 2, 1), (0, 4, 2), (1, 8, 1), (1, 10, 2))
    prompt = EngineInput(tuple(range(13)), tuple(MediaSpan(*place) for place in places), MEDIA)
    cut = without_beginning(prompt, count)
    assert cut.input_ids == tuple(range(first, 13))
    assert [(span.item, span.start, span.length) for span in cut.spans] == spans
    assert cut.media == MEDIA[2 - len(spans) // 2 :]


@pytest.fixture(scope="module")
def preparer() -> LimitedPreparer:
    return LimitedPreparer(PluginHost(load_registry()), open_preparer("internvl2-tiny").model)


CONVERSATION = Conversation((user_message("How many shapes are there?", (SHAPES,)),))


def limited(most: int | None, strategy: str, told: list[Prepared]) -> LimitedRequest:
    return LimitedRequest(
        CONVERSATION,
        PromptOptions("beside"),
        max_length=most,
        strategy=strategy,  # type: ignore[arg-type]
        prepared=told.append,
    )


def test_a_prompt_that_is_short_enough_stays_as_it_is(preparer: LimitedPreparer) -> None:
    whole = preparer.prepare(Request(CONVERSATION, PromptOptions("beside"))).engine_input
    length = len(whole.input_ids)
    for most in (None, length, length + 1):
        told: list[Prepared] = []
        assert preparer.prepare(limited(most, "delete", told)).engine_input.input_ids == whole.input_ids
        assert [len(found.engine_input.input_ids) for found in told] == [length]


def test_a_longer_one_is_refused(preparer: LimitedPreparer) -> None:
    told: list[Prepared] = []
    with pytest.raises(ContextLengthError, match=r"The prompt takes \d+ tokens, and max_length is 40"):
        preparer.prepare(limited(40, "delete", told))
    assert told == []


def test_a_longer_one_is_cut(preparer: LimitedPreparer) -> None:
    told: list[Prepared] = []
    whole = preparer.prepare(Request(CONVERSATION, PromptOptions("beside"))).engine_input
    cut = preparer.prepare(limited(20, "truncation_left", told)).engine_input
    assert len(cut.input_ids) <= 20
    assert cut.input_ids == whole.input_ids[-len(cut.input_ids) :]
    assert [found.engine_input for found in told] == [cut]


@pytest.mark.parametrize("answer", [1, 20, 30])
def test_room_for_the_answer_is_made_by_cutting(preparer: LimitedPreparer, answer: int) -> None:
    request = Request(CONVERSATION, PromptOptions("beside"), Sampling(max_new_tokens=answer))
    whole = preparer.prepare(request).engine_input.input_ids
    length = len(whole) + 20
    cutting = TruncatingPreparer(PluginHost(load_registry()), preparer.model, length)
    cut = cutting.prepare(request).engine_input.input_ids
    assert cut == whole[-len(cut) :]
    assert len(cut) + answer <= length
    assert (len(cut) == len(whole)) == (answer <= 20)


def test_without_a_length_it_is_the_model_s(preparer: LimitedPreparer) -> None:
    cutting = TruncatingPreparer(PluginHost(load_registry()), preparer.model, None)
    request = Request(CONVERSATION, PromptOptions("beside"), Sampling(max_new_tokens=preparer.model.context_length - 9))
    assert len(cutting.prepare(request).engine_input.input_ids) <= 9


def test_an_answer_that_may_take_everything(preparer: LimitedPreparer) -> None:
    cutting = TruncatingPreparer(PluginHost(load_registry()), preparer.model, 64)
    request = Request(CONVERSATION, PromptOptions("beside"), Sampling(max_new_tokens=64))
    with pytest.raises(OptionError, match="max_new_tokens is 64, and prompt and answer may take 64"):
        cutting.prepare(request)
