"""Position ids of prompts: which lmdeploy's scheduler can carry, and how it gets them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vlmplug.engine import positions
from vlmplug.engine.compatibility import check_lmdeploy
from vlmplug.engine.request import multimodal_data
from vlmplug.errors import EngineOptionError, RequestError
from vlmplug.model import EngineInput, MediaInput, MediaSpan

PICTURE = MediaInput(np.zeros((1, 2, 2, 3), np.uint8), 4, None, (0.5,) * 3, (0.5,) * 3)
ONE = (MediaSpan(0, 2, 4),)
TWO = (MediaSpan(0, 0, 4), MediaSpan(1, 4, 4))


def prompt(length: int, given: tuple[int, ...] | None, spans: tuple[MediaSpan, ...] = ()) -> EngineInput:
    return EngineInput((1,) * length, spans, (PICTURE,) * len(spans), given)


CARRIED = {
    "nothing said": prompt(3, None),
    "the usual ones": prompt(3, (0, 1, 2)),
    "a picture of three": prompt(8, (0, 1, 2, 3, 3, 4, 5, 6), ONE),
    "a picture of one": prompt(8, (0, 1, 2, 2, 2, 2, 3, 4), ONE),
    "a picture that goes back": prompt(8, (0, 1, 9, 8, 7, 6, 7, 8), ONE),
    "two that touch": prompt(9, (0, 1, 1, 2, 3, 4, 4, 5, 6), TWO),
    "nothing behind it": prompt(6, (0, 1, 2, 3, 3, 4), ONE),
}


@pytest.mark.parametrize("given", CARRIED.values(), ids=CARRIED)
def test_what_is_carried(given: EngineInput) -> None:
    positions.check_positions(given, own_positions=True)


@pytest.mark.parametrize(
    ("given", "own", "says"),
    [
        (prompt(3, (0, 1, 1)), False, "positions 0..n-1 only"),
        (prompt(3, (0, 1)), True, "3 ids and 2 positions"),
        (prompt(3, (0, 1, -1)), True, "positions from -1"),
        (prompt(3, (1, 2, 3)), True, "from 0 to 2 do not count on from 0"),
        (prompt(3, (0, 1, 1)), True, "do not count on from 0"),
        (prompt(8, (0, 1, 2, 3, 3, 4, 5, 5), ONE), True, "from 6 to 7 do not count on from 5"),
        (prompt(8, (0, 2, 2, 3, 3, 4, 5, 6), ONE), True, "from 0 to 1 do not count on from 0"),
    ],
)
def test_what_is_refused(given: EngineInput, own: bool, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        positions.check_positions(given, own)


def test_the_usual_positions_need_no_model_with_its_own() -> None:
    positions.check_positions(prompt(3, (0, 1, 2)), own_positions=False)


@pytest.mark.parametrize(
    ("given", "number", "expected"),
    [
        (prompt(8, None, ONE), 0, [0, 1, 2, 3]),
        (CARRIED["a picture of three"], 0, [0, 1, 1, 2]),
        (CARRIED["a picture that goes back"], 0, [7, 6, 5, 4]),
        (CARRIED["two that touch"], 1, [0, 1, 1, 2]),
    ],
)
def test_spans_bring_theirs_counted_from_their_place(given: EngineInput, number: int, expected: list[int]) -> None:
    span = given.spans[number]
    found = positions.stored_positions(given, span.start, span.start + span.length)
    assert found.dtype == np.int64 and found.tolist() == [[place] * 3 for place in expected]


def test_spans_are_told_apart_by_their_positions_too() -> None:
    usual, three, one = prompt(8, None, ONE), CARRIED["a picture of three"], CARRIED["a picture of one"]
    hashes = [made["image"][0].content_hash for made in map(multimodal_data, (usual, three, one)) if made]
    assert hashes[0] == PICTURE.content_hash and len(set(hashes)) == 3


def test_the_first_row_is_the_position_id() -> None:
    stored = torch.arange(6).repeat(3, 1)
    context = SimpleNamespace(mrope_position_ids=stored)
    inputs = positions.with_stored_positions({"input_ids": 1, "position_ids": torch.zeros(1, 6)}, context)
    assert inputs["input_ids"] == 1
    assert inputs["position_ids"].tolist() == [list(range(6))] and inputs["position_ids"].is_contiguous()
    assert inputs["mrope_position_ids"] is stored


@pytest.mark.parametrize(("own", "limit"), [(False, None), (True, None), (False, 4096)])
def test_one_purpose_is_carried(own: bool, limit: int | None) -> None:
    positions.check_carried(own, limit)


def test_two_purposes_are_refused() -> None:
    with pytest.raises(EngineOptionError, match="one of the two"):
        positions.check_carried(True, 4096)


def test_everything_that_is_relied_on_exists() -> None:
    check_lmdeploy(positions.NEEDED)
