"""Choosing frames of a clip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.errors import MediaError
from vlmplug.parts.frames import each_second, segment_middles

GOLDEN = Path(__file__).parents[1] / "golden" / "internvl2" / "preprocess.json"
CASES = json.loads(GOLDEN.read_text("utf-8"))["video"]
SECONDS = json.loads((GOLDEN.parents[1] / "minicpm_v" / "preprocess.json").read_text("utf-8"))["video"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_official_frames(case: dict[str, Any]) -> None:
    options = case["options"]
    bound = options.get("bound_seconds")
    found = segment_middles(case["n_frames"], case["fps"], options["num_segments"], tuple(bound) if bound else None)
    assert list(found) == case["expect"]["indices"]


@given(st.integers(1, 10_000), st.floats(0.1, 240), st.integers(1, 512))
def test_frames_exist_and_are_in_order(frame_count: int, fps: float, segments: int) -> None:
    frames = segment_middles(frame_count, fps, segments)
    assert len(frames) == segments
    assert list(frames) == sorted(frames)
    assert frames[0] >= 0 and frames[-1] < frame_count


@given(st.integers(1, 500), st.floats(0, 60), st.floats(0.1, 60), st.integers(1, 16))
def test_frames_stay_within_their_bounds(frame_count: int, start: float, length: float, segments: int) -> None:
    fps = 10.0
    if round(start * fps) > frame_count - 1:
        with pytest.raises(MediaError, match="end before second"):
            segment_middles(frame_count, fps, segments, (start, start + length))
        return
    frames = segment_middles(frame_count, fps, segments, (start, start + length))
    assert round(start * fps) <= frames[0]
    assert frames[-1] <= min(frame_count - 1, round((start + length) * fps))


@pytest.mark.parametrize("case", SECONDS, ids=[case["id"] for case in SECONDS])
def test_the_official_frames_of_each_second(case: dict[str, Any]) -> None:
    assert list(each_second(case["n_frames"], case["fps"], 64)) == case["expect"]["indices"]


@given(st.integers(1, 10_000), st.floats(0.1, 240), st.integers(1, 512))
def test_frames_of_each_second_exist_are_in_order_and_not_too_many(frame_count: int, fps: float, most: int) -> None:
    frames = each_second(frame_count, fps, most)
    assert 1 <= len(frames) <= most
    assert list(frames) == sorted(set(frames))
    assert frames[0] >= 0 and frames[-1] < frame_count
    assert all(frame % max(1, round(fps)) == 0 for frame in frames)
