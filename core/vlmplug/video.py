"""Video files: the exact n-th frame, through PyAV or, where it is not installed, through decord.

Neither is imported before a video is read, and never both in one process: decord's own FFmpeg, five years older, takes
the place of symbols that PyAV's libraries look for. PyAV comes first because it seeks exactly in every container;
decord is held to reading from the beginning. Rotation tags are not applied, like EXIF orientation.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from PIL import Image

from vlmplug.errors import MediaError
from vlmplug.video_file import VideoFile

#: Packages that decode videos, in the order in which they are tried, and the modules that use them.
READERS = {"av": "vlmplug.pyav_video", "decord": "vlmplug.decord_video"}


class _Reader(Protocol):
    def scan_video(self, content: Path | bytes, where: str) -> VideoFile: ...

    def read_frames(self, video: VideoFile, wanted: list[int], where: str) -> Iterator[Image.Image]: ...


def scan_video(content: Path | bytes, where: str) -> VideoFile:
    """Counts the frames of a video.

    :raises MediaError: there is nothing to read videos with; the file is no video, is broken or cut short, has no
        frame or too many.
    """
    return _reader(where).scan_video(content, where)


def read_frames(video: VideoFile, wanted: list[int], where: str) -> Iterator[Image.Image]:
    """The frames with these numbers, which rise and do not repeat, as RGB pictures.

    :raises MediaError: a frame cannot be decoded.
    """
    return _reader(where).read_frames(video, wanted, where)


def _reader(where: str) -> _Reader:
    for package, module in READERS.items():
        try:
            import_module(package)
        except (ImportError, OSError):
            # OSError: decord loads its library by hand, and the one for another system is not found.
            continue
        return cast(_Reader, import_module(module))
    raise MediaError(f"{where}: reading videos needs PyAV.", "pip install av")
