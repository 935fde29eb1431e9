"""Which frames of a clip are taken, and how they stand in one picture."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from plugins.xcomposer2_5.tests.conftest import GOLDEN
from vlmplug.media import open_clip
from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug.verify.goldens import DrawnVideo
from vlmplug.verify.pictures import blank_clip, make_frame
from vlmplug.verify.set_reader import read_golden_set
from vlmplug_xcomposer2_5.clips import chosen_frames, frame_canvas
from vlmplug_xcomposer2_5.pictures import scaled_canvas

#: One 8-bit step, normalised: another Pillow may resample otherwise.
ONE_STEP = 0.015
CASES = json.loads((GOLDEN / "preprocess.json").read_text("utf-8"))["video"]


@pytest.mark.parametrize("case", [case for case in CASES if not case["undefined"]], ids=lambda case: case["id"])
def test_frames_are_those_of_the_official_code(case: dict[str, Any]) -> None:
    clip = blank_clip(case["n_frames"], case["fps"], case["id"])
    assert list(chosen_frames(clip, 32)) == case["expect"]["indices"]


def test_a_slow_clip_gives_every_frame_up_to_the_limit() -> None:
    assert list(chosen_frames(blank_clip(5, 0.4, "slow"), 32)) == [0, 1, 2, 3, 4]
    assert list(chosen_frames(blank_clip(120, 0.4, "slow"), 3)) == [0, 30, 60]


def test_frames_that_were_chosen_already_are_all_taken() -> None:
    clip = open_clip([np.zeros((4, 4, 3), np.uint8)] * 5, "frames")
    assert list(chosen_frames(clip, 3)) == [0, 1, 2, 3, 4]


def frames(width: int, height: int, *values: int) -> list[Image.Image]:
    return [Image.new("RGB", (width, height), (value,) * 3) for value in values]


def test_wide_frames_stand_below_each_other() -> None:
    canvas = np.asarray(frame_canvas(frames(200, 100, 50, 60, 70), False))[..., 0]
    assert canvas.shape == (3 * (560 + 50), 1120)
    assert [canvas[610 * number + 40 + 280, 500] for number in range(3)] == [50, 60, 70]
    assert [canvas[610 * number + 20, 0] for number in range(3)] == [255] * 3
    assert [line for line in range(1, len(canvas)) if canvas[line].max() == 0] == [605, 606, 1215, 1216]


def test_other_frames_stand_side_by_side() -> None:
    canvas = np.asarray(frame_canvas(frames(100, 100, 50, 60), False))[..., 0]
    assert canvas.shape == (1160, 2 * 1130)
    assert canvas[600, [500, 1630]].tolist() == [50, 60]
    assert canvas[20, [500, 1630]].tolist() == [255, 255]
    assert [column for column in range(canvas.shape[1]) if canvas[:, column].max() == 0] == [1125, 1126]


def test_the_last_frame_decides_how_they_stand() -> None:
    mixed = [*frames(200, 100, 1), *frames(100, 200, 2)]
    assert frame_canvas(mixed, False).size == (1120 + 10 + 560 + 10, 1160)
    assert frame_canvas(mixed[::-1], False).size == (1120, 1120 + 50 + 560 + 50)


@pytest.mark.parametrize("size", [(200, 100), (100, 200)])
def test_labels_change_the_strips_alone(size: tuple[int, int]) -> None:
    plain, labelled = (np.asarray(frame_canvas(frames(*size, 50, 60), flag)) for flag in (False, True))
    changed = np.argwhere((plain != labelled).any(-1))
    assert len(changed)
    strip = 610 if size[0] > size[1] else 1160
    assert set((changed[:, 0] % strip) // 40) == {0}


def test_labels_in_pillows_font_are_those_of_the_reference_set() -> None:
    case = next(case for case in CASES if case["id"] == "video_500x500_4f")
    video = next(found.video for found in read_golden_set(GOLDEN).video if found.id == case["id"])
    assert isinstance(video, DrawnVideo)
    drawn = [make_frame(video, index) for index in case["expect"]["indices"]]
    pixels = np.asarray(scaled_canvas(frame_canvas(drawn, True)), np.float64) / 255
    normalised = ((pixels - CLIP_MEAN) / CLIP_STD).transpose(2, 0, 1)
    expected = case["extra"]["with_pillow_default_font_40"]["pixels"]
    places, values = zip(*expected["samples"], strict=True)
    assert np.abs(normalised.ravel()[list(places)] - values).max() < ONE_STEP
    assert np.abs(normalised.mean((1, 2)) - expected["mean"]).max() < 1e-3
    assert np.abs(normalised.mean((1, 2)) - case["expect"]["pixels"]["mean"]).max() > 3e-3
