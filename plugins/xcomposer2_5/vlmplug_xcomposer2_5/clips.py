"""A clip as one picture of its frames, as ``load_video`` and ``frame2img`` of the official ``ixc_utils.py`` make it.

Wide frames stand below each other, all others side by side; each has a white strip of 40 pixels above it for its label,
and a black line behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from PIL import Image, ImageDraw, ImageFont

from vlmplug.errors import OptionError
from vlmplug.media import Clip

#: The longer side of a frame, the strip above it, the gap behind it, and the width of the line in the gap.
_SIDE, _STRIP, _GAP, _LINE = 1120, 40, 10, 2
_LABEL_PIXELS = 40


def chosen_frames(clip: Clip, most: int) -> Sequence[int]:
    """One frame a second (``round(fps)`` frames, at least one); of more than ``most``, as many, from the beginning on.

    The last chosen frame is one gap in front of the end. Where somebody has chosen the frames already, all of them.
    """
    if clip.fps is None:
        return range(clip.frame_count)
    frames = range(0, clip.frame_count, max(1, round(clip.fps)))
    if len(frames) <= most:
        return frames
    gap = len(frames) / (most + 1)
    return [frames[int(number * gap)] for number in range(most)]


def frame_canvas(frames: Sequence[Image.Image], labelled: bool) -> Image.Image:
    """All frames in one picture.

    :param labelled: whether the strips hold ``<IMAGE 0>``, ``<IMAGE 1>`` …, in Pillow's font instead of the official
        SimHei; else they stay white.
    :raises OptionError: Pillow was built without FreeType, which draws labels.
    """
    scaled = [frame.resize(_scaled_size(*frame.size), Image.Resampling.BILINEAR) for frame in frames]
    below = frames[-1].width > frames[-1].height
    canvas, corners = _empty_canvas(scaled, below)
    draw = ImageDraw.Draw(canvas)
    for left, top in corners[1:]:
        middle = (top if below else left) - _GAP // 2
        draw.line(
            [(0, middle), (canvas.width, middle)] if below else [(middle, 0), (middle, canvas.height)], "black", _LINE
        )
    font = _label_font() if labelled else None
    for number, (frame, (left, top)) in enumerate(zip(scaled, corners, strict=True)):
        canvas.paste(frame, (left, top + _STRIP))
        if font is not None:
            draw.text((left, top), f"<IMAGE {number}>", "black", font)
    return canvas


def _scaled_size(width: int, height: int) -> tuple[int, int]:
    ratio = width / height
    return (_SIDE, max(int(_SIDE / ratio), 1)) if width > height else (max(int(_SIDE * ratio), 1), _SIDE)


def _empty_canvas(frames: Sequence[Image.Image], below: bool) -> tuple[Image.Image, list[tuple[int, int]]]:
    """A white picture that holds all frames, and where the strip of each begins."""
    widest, highest = max(frame.width for frame in frames), max(frame.height for frame in frames)
    sizes = [frame.height + _STRIP + _GAP if below else frame.width + _GAP for frame in frames]
    *starts, end = accumulate(sizes, initial=0)
    size = (widest, end) if below else (end, _STRIP + highest)
    return Image.new("RGB", size, "white"), [(0, start) if below else (start, 0) for start in starts]


def _label_font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    try:
        return ImageFont.load_default(_LABEL_PIXELS)
    except ImportError as error:
        raise OptionError("This Pillow cannot draw labels of frames (no FreeType).", "Leave labels out.") from error
