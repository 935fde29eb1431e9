"""Choosing frames of a clip."""

from __future__ import annotations

import numpy as np

from vlmplug.errors import MediaError

_FOREVER = 100_000.0


def each_second(frame_count: int, fps: float, most: int) -> tuple[int, ...]:
    """One frame a second; of more than ``most`` as many, evenly chosen. So does MiniCPM-V's ``encode_video``.

    A second has ``round(fps)`` frames, at least one (the official code ends with an error where that is none).

    :param fps: frames per second.
    :return: frame numbers from 0, in order.
    """
    frames = range(0, frame_count, max(1, round(fps)))
    if len(frames) <= most:
        return tuple(frames)
    gap = len(frames) / most
    return tuple(frames[int(number * gap + gap / 2)] for number in range(most))


def segment_middles(
    frame_count: int, fps: float, segments: int, bound_seconds: tuple[float, float] | None = None
) -> tuple[int, ...]:
    """The frames in the middle of ``segments`` equal parts of a clip, as InternVL's ``get_index`` chooses them.

    Halves are rounded to the even number. A short clip repeats frames.

    :param fps: frames per second.
    :param bound_seconds: start and end in seconds, a part of the clip; None: all of it.
    :return: frame numbers from 0, in order.
    :raises MediaError: the part begins behind the clip's last frame.
    """
    start, end = bound_seconds or (-_FOREVER, _FOREVER)
    first, last = max(0, round(start * fps)), min(round(end * fps), frame_count - 1)
    if first > last:
        raise MediaError(
            f"The clip's {frame_count} frames at {fps:g} a second end before second {start:g}.",
            "Give bounds inside the clip.",
        )
    length = (last - first) / segments
    return tuple(int(first + length / 2 + np.round(length * index)) for index in range(segments))
