"""Pictures and clips, as callers and plugins know them; see `vlmplug.picture` and `vlmplug.clip`."""

from __future__ import annotations

from vlmplug.clip import (
    MAX_CLIP_BYTES,
    MAX_FRAMES_READ,
    MAX_PIXELS_READ,
    Clip,
    ClipSource,
    FrameSequence,
    RecordedClip,
    open_clip,
)
from vlmplug.picture import (
    MAX_PICTURE_BYTES,
    MAX_PICTURE_PIXELS,
    PICTURE_FORMATS,
    Picture,
    PictureSource,
    open_picture,
)

__all__ = [
    "MAX_CLIP_BYTES",
    "MAX_FRAMES_READ",
    "MAX_PICTURE_BYTES",
    "MAX_PICTURE_PIXELS",
    "MAX_PIXELS_READ",
    "PICTURE_FORMATS",
    "Clip",
    "ClipSource",
    "FrameSequence",
    "Picture",
    "PictureSource",
    "RecordedClip",
    "open_clip",
    "open_picture",
]
