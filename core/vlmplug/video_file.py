"""What is known of a video before a frame of it is decoded, and the limits that every reader of videos keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlmplug.errors import MediaError

#: Frames that a video may have; about nine hours at 30 frames a second.
MAX_VIDEO_FRAMES = 1_000_000
#: Pixels of one frame that are decoded at the most (8192 x 8192).
MAX_FRAME_PIXELS = 1 << 26

FIX_VIDEO = "Convert it to MP4 (H.264)."


@dataclass(frozen=True)
class VideoFile:
    """What the first pass found out about a video.

    - ``content``: its path, or its bytes.
    - ``times``: time of every frame, in the order of display, in the stream's own unit; empty where the
      container gives no times, and frames are counted instead.
    - ``starts``: times of the frames at which decoding can start, rising.
    """

    content: Path | bytes
    frame_count: int
    fps: float | None
    size: tuple[int, int]
    times: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()


def check_frame_size(size: tuple[int, int], where: str) -> None:
    """Whether frames of this width and height can be decoded.

    :raises MediaError: no size at all, or too many pixels.
    """
    width, height = size
    if width < 1 or height < 1:
        raise MediaError(f"{where}: the video does not say how large its frames are.", FIX_VIDEO)
    if width * height > MAX_FRAME_PIXELS:
        raise MediaError(
            f"{where}: frames of {width}x{height} are more than {MAX_FRAME_PIXELS} pixels.",
            "Scale the video down.",
        )


def check_frame_count(count: int, where: str) -> None:
    """Whether a video has frames, and no more than are read.

    :raises MediaError: none, or too many.
    """
    if not count:
        raise MediaError(f"{where}: the video has no frame.", "Give a complete file.")
    if count > MAX_VIDEO_FRAMES:
        raise MediaError(f"{where}: more than {MAX_VIDEO_FRAMES} frames.", "Give a shorter clip.")
