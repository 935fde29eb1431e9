"""The limits that hold for a video, whatever reads it."""

from __future__ import annotations

import pickle

import pytest

from vlmplug.errors import MediaError
from vlmplug.video_file import (
    MAX_FRAME_PIXELS,
    MAX_VIDEO_FRAMES,
    VideoFile,
    check_frame_count,
    check_frame_size,
)


@pytest.mark.parametrize("size", [(1, 1), (1920, 1080), (MAX_FRAME_PIXELS, 1)])
def test_sizes_that_are_decoded(size: tuple[int, int]) -> None:
    check_frame_size(size, "clip")


@pytest.mark.parametrize(
    ("size", "says"),
    [((0, 0), "how large"), ((640, 0), "how large"), ((MAX_FRAME_PIXELS, 2), "are more than"), ((-1, -1), "how large")],
)
def test_sizes_that_are_refused(size: tuple[int, int], says: str) -> None:
    with pytest.raises(MediaError, match=f"^clip: .*{says}") as caught:
        check_frame_size(size, "clip")
    assert caught.value.remedy


@pytest.mark.parametrize("count", [1, MAX_VIDEO_FRAMES])
def test_counts_that_are_read(count: int) -> None:
    check_frame_count(count, "clip")


@pytest.mark.parametrize(("count", "says"), [(0, "no frame"), (MAX_VIDEO_FRAMES + 1, "more than 1000000 frames")])
def test_counts_that_are_refused(count: int, says: str) -> None:
    with pytest.raises(MediaError, match=f"^clip: .*{says}") as caught:
        check_frame_count(count, "clip")
    assert caught.value.remedy


def test_a_video_travels_between_processes() -> None:
    video = VideoFile(b"", 3, 25.0, (64, 48), (0, 1, 2), (0,))
    assert pickle.loads(pickle.dumps(video)) == video
