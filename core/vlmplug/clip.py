"""Clips: moving pictures as numbered frames, from a video file or from frames that were already chosen."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from vlmplug.errors import MediaError
from vlmplug.media_policy import MediaPolicy
from vlmplug.picture import Picture, PictureSource, open_picture
from vlmplug.source import ByteSource, is_local, local_file, read_bytes
from vlmplug.video import read_frames, scan_video
from vlmplug.video_file import VideoFile

#: Different frames that one call of `Clip.read` decodes at the most.
MAX_FRAMES_READ = 1024
#: Pixels that one call of `Clip.read` decodes at the most, all frames together (3 bytes each).
MAX_PIXELS_READ = 1 << 30
#: Bytes of a clip that is handed over in memory or as an open file.
MAX_CLIP_BYTES = 1 << 30


@dataclass(frozen=True)
class Clip:
    """A row of frames, numbered from 0. Picklable; each `read` opens and closes what it needs.

    - ``where``: what the caller calls it, for messages.
    - ``frame_count``: number of frames, at least 1.
    - ``fps``: frames per second (the average, where they vary); None where the frames were chosen already.
    - ``size``: width and height of a frame; of the largest where they differ.
    """

    where: str
    frame_count: int
    fps: float | None
    size: tuple[int, int]

    def read(self, indices: Sequence[int]) -> list[Image.Image]:
        """Exactly these frames as RGB pictures, in this order; a number may occur more than once.

        :raises MediaError: no such frame, too many at once, or a frame that cannot be decoded.
        """
        wanted = sorted(set(indices))
        self._check(wanted)
        frames = dict(zip(wanted, self._decode(wanted), strict=True))
        return [frames[index] for index in indices]

    def _decode(self, wanted: list[int]) -> Iterable[Image.Image]:
        """The frames of ``wanted``, which is in rising order and without repetition."""
        raise NotImplementedError

    def _check(self, wanted: list[int]) -> None:
        if wanted and (wanted[0] < 0 or wanted[-1] >= self.frame_count):
            wrong = wanted[0] if wanted[0] < 0 else wanted[-1]
            raise MediaError(
                f"{self.where}: there is no frame {wrong} among {self.frame_count}.",
                f"Ask for frames 0 to {self.frame_count - 1}.",
            )
        limit = min(MAX_FRAMES_READ, MAX_PIXELS_READ // (self.size[0] * self.size[1]))
        if len(wanted) > limit:
            raise MediaError(
                f"{self.where}: {len(wanted)} frames of {self.size[0]}x{self.size[1]} at once; the limit is {limit}.",
                "Choose fewer frames.",
            )


@dataclass(frozen=True)
class FrameSequence(Clip):
    """Frames that somebody has chosen already; all of them are used, in order."""

    frames: tuple[Picture, ...]

    def _decode(self, wanted: list[int]) -> Iterable[Image.Image]:
        return (self.frames[index].image.convert("RGB") for index in wanted)


@dataclass(frozen=True)
class RecordedClip(Clip):
    """A video file on disk, or its bytes."""

    video: VideoFile

    def _decode(self, wanted: list[int]) -> Iterable[Image.Image]:
        return read_frames(self.video, wanted, self.where)


_FRAMES = "The frames of one clip are a list in the list: videos=[[first, second]]."

ClipSource: TypeAlias = "ByteSource | Sequence[PictureSource] | Clip"


def open_clip(source: ClipSource, where: str, policy: MediaPolicy | None = None) -> Clip:
    """Finds out how many frames a clip has, without decoding it.

    :param source: path, address, bytes or binary file of a video; pictures that are already the chosen frames (or one
        uint8 array [frames, height, width, 3]); or a `Clip`, which is returned as it is.
    :param where: what the caller calls this clip; every message begins with it.
    :param policy: which files and addresses may be read; None: `MediaPolicy`'s defaults.
    :raises MediaError: it cannot be read, has another format, is broken, or holds no picture at all.
    """
    if isinstance(source, Clip):
        return source
    given: Any = source
    if isinstance(given, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(given, "read"):
        return _recorded(given, where, policy)
    if isinstance(given, Sequence) or (isinstance(given, np.ndarray) and given.ndim == 4):
        return _sequence(given, where, policy)
    if isinstance(given, np.ndarray):
        shape = f"an array of {given.dtype} {list(given.shape)}"
        raise MediaError(f"{where}: {shape}.", f"Give uint8 [frames, height, width, 3]. {_FRAMES}")
    raise MediaError(
        f"{where}: {type(source).__name__} is nothing that a clip can be read from.",
        f"Give a path, an address, bytes, a binary file, or a list of pictures. {_FRAMES}",
    )


def _recorded(source: Any, where: str, policy: MediaPolicy | None) -> Clip:
    video = scan_video(_content(source, where, policy), where)
    return RecordedClip(where, video.frame_count, video.fps, video.size, video)


def _content(source: Any, where: str, policy: MediaPolicy | None) -> Path | bytes:
    if is_local(source):
        # Another process, with another working directory, may read the frames.
        return Path(os.path.abspath(local_file(source, where, policy)))
    return read_bytes(source, where, MAX_CLIP_BYTES, policy)


def _sequence(source: Any, where: str, policy: MediaPolicy | None) -> Clip:
    if not 1 <= len(source) <= MAX_FRAMES_READ:
        raise MediaError(f"{where}: {len(source)} frames.", f"Give 1 to {MAX_FRAMES_READ} frames.")
    frames = tuple(open_picture(frame, f"{where}[{index}]", policy) for index, frame in enumerate(source))
    width, height = (max(frame.image.size[axis] for frame in frames) for axis in (0, 1))
    return FrameSequence(where, len(frames), None, (width, height), frames)
