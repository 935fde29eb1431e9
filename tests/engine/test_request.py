"""A request that the engine could choke on is refused before it reaches the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vlmplug.engine.request import EngineRequest, check_request, generation_config, multimodal_data, within_room
from vlmplug.errors import ContextLengthError, OptionError, RequestError
from vlmplug.model import EngineInput, FamilyModel, MediaInput, MediaSpan
from vlmplug.sampling import Sampling

TILE = MediaInput(np.zeros((1, 8, 8, 3), np.uint8), 4, None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
PROMPT = EngineInput((1, 5, 5, 5, 5, 7), (MediaSpan(0, 1, 4),), (TILE,))


#: A picture in two spans with an id between them, and one in a single span.
SPREAD = EngineInput(
    (1, 5, 7, 5, 5, 5, 7, 5, 5, 5, 5),
    (MediaSpan(0, 1, 1), MediaSpan(0, 3, 3), MediaSpan(1, 7, 4)),
    (replace(TILE, more_pixels=(np.ones((2, 4, 8, 3), np.uint8),), grid=(2, 1)), TILE),
)


@pytest.mark.parametrize("prompt", [PROMPT, SPREAD])
def test_a_right_request_passes(model: FamilyModel, prompt: EngineInput) -> None:
    check_request(EngineRequest(prompt, Sampling()), model, 100)


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        (EngineInput(()), "no tokens"),
        (replace(PROMPT, input_ids=(1, 5, 5, 5, 5, 576)), "ids outside 0..575"),
        (replace(PROMPT, input_ids=(-1, 5, 5, 5, 5, 7)), "ids outside 0..575"),
        (replace(PROMPT, spans=(MediaSpan(0, 3, 4),)), "does not fit the prompt"),
        (replace(PROMPT, spans=(MediaSpan(0, 1, 3),)), "does not fit the prompt"),
        (replace(PROMPT, spans=(MediaSpan(0, 1, 4), MediaSpan(0, 2, 4))), "does not fit the prompt"),
        (replace(SPREAD, spans=(MediaSpan(0, 1, 1), MediaSpan(0, 3, 2), SPREAD.spans[2])), "does not fit the prompt"),
        (replace(SPREAD, spans=(MediaSpan(0, 1, 4), MediaSpan(0, 5, 0), SPREAD.spans[2])), "does not fit the prompt"),
        (replace(SPREAD, spans=(*SPREAD.spans[:1], SPREAD.spans[2], SPREAD.spans[1])), "does not fit the prompt"),
        (replace(PROMPT, position_ids=(0, 1, 2, 3, 4, 9)), "positions 0..n-1"),
    ],
)
def test_what_could_stop_the_engine_is_refused(model: FamilyModel, prompt: EngineInput, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        check_request(EngineRequest(prompt, Sampling()), model, 100)


@pytest.mark.parametrize("longest", [5, 6])
def test_a_prompt_without_room_for_an_answer_says_how_long_it_is(model: FamilyModel, longest: int) -> None:
    with pytest.raises(ContextLengthError, match=rf"takes 6 tokens \(4 of them media\).*may take {longest}"):
        check_request(EngineRequest(PROMPT, Sampling()), model, longest)


def test_a_prompt_of_text_alone_is_not_told_about_pictures(model: FamilyModel) -> None:
    with pytest.raises(ContextLengthError) as caught:
        check_request(EngineRequest(EngineInput((1,) * 9), Sampling()), model, 5)
    assert str(caught.value) == (
        "The prompt takes 9 tokens, and prompt and answer may take 5. "
        "Shorten the text or the history, or allow a longer session, where the model does."
    )


@pytest.mark.parametrize("sampling", [{"logprobs": 577}, {"stop_ids": (576,)}, {"json_schema": {"type": "x"}}], ids=str)
def test_settings_that_could_stop_the_engine_are_refused(model: FamilyModel, sampling: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(sampling))):
        check_request(EngineRequest(PROMPT, Sampling(**sampling)), model, 100)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (Sampling(max_new_tokens=94), Sampling(max_new_tokens=94)),
        (Sampling(max_new_tokens=95), Sampling(max_new_tokens=94)),
        (Sampling(max_new_tokens=9, top_k=575), Sampling(max_new_tokens=9, top_k=575)),
        (Sampling(max_new_tokens=9, top_k=576), Sampling(max_new_tokens=9, top_k=0)),
    ],
)
def test_what_is_asked_for_is_cut_to_what_there_is(asked: Sampling, given: Sampling) -> None:
    assert within_room(EngineRequest(PROMPT, asked), 576, 100) == EngineRequest(PROMPT, given)


def test_media_items_are_fresh_objects_with_content_hashes() -> None:
    one, two = multimodal_data(PROMPT), multimodal_data(PROMPT)
    assert one is not None and two is not None
    assert one["image"][0] is not two["image"][0]
    assert one["image"][0].content_hash == TILE.content_hash
    assert (one["image"][0].start, one["image"][0].end) == (1, 5)


def test_an_item_reaches_from_its_first_span_to_the_end_of_its_last_one() -> None:
    found = multimodal_data(SPREAD)
    assert found is not None
    one, other = found["image"]
    assert (one.start, one.end, one.meta) == (1, 6, {"runs": ((0, 1), (2, 3)), "grid": (2, 1)})
    assert (other.start, other.end, other.meta) == (7, 11, {"runs": ((0, 4),), "grid": None})
    assert [tuple(group.shape) for group in one.data] == [(1, 8, 8, 3), (2, 4, 8, 3)]


def test_text_carries_no_media() -> None:
    assert multimodal_data(EngineInput((1, 2, 3))) is None


def test_greedy_takes_the_likeliest_token() -> None:
    config = generation_config(Sampling(), (2,), None)
    assert (config.top_k, config.do_sample, config.stop_token_ids) == (1, False, [2])


def test_ignored_stop_ids_are_not_passed_because_they_would_be_banned() -> None:
    config = generation_config(Sampling(ignore_stop=True, stop_ids=(9,)), (2,), None)
    assert config.stop_token_ids == [] and not config.ignore_eos


def test_stop_ids_of_family_and_caller_add_up() -> None:
    assert generation_config(Sampling(stop_ids=(9, 2)), (2, 7), None).stop_token_ids == [2, 7, 9]


@pytest.mark.parametrize(("own", "engine", "expected"), [(3, None, 3), (3, 8, 3), (None, 8, 8), (0, 8, 0)])
def test_the_requests_own_seed_wins(own: int | None, engine: int | None, expected: int) -> None:
    assert generation_config(Sampling(temperature=1.0, seed=own), (), engine).random_seed == expected


def test_without_seeds_one_is_drawn() -> None:
    drawn = {generation_config(Sampling(temperature=1.0), (), None).random_seed for _ in range(4)}
    assert len(drawn) == 4
