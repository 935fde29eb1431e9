"""Reads video files with decord 0.6, where PyAV is not installed; see `vlmplug.video`.

Its jumps to a frame, and frames skipped without being fetched, give wrong frames in most containers. Fetched one after
the other from the first they are the exact ones, so that is how they are read here, in the containers where it holds.
What PyAV does besides and decord cannot: MPEG-TS, GIF and raw streams are refused, so are frames turned by a quarter;
a tag for half a turn is applied. Frames of ten bits differ by up to three levels of 255.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import decord
from PIL import Image

from vlmplug.errors import MediaError
from vlmplug.video_file import FIX_VIDEO, VideoFile, check_frame_count, check_frame_size

#: First bytes of the containers in which frames were found to be exact: where they stand, and what they are. FFmpeg is
#: shown nothing else, above all no play lists, which name other files.
SIGNATURES = {
    "MP4, MOV": (4, b"ftyp"),
    "Matroska, WebM": (0, b"\x1a\x45\xdf\xa3"),
    "FLV": (0, b"FLV\x01"),
    "AVI": (0, b"RIFF"),
}
_LONGEST = 8
_FIX_READER = "pip install av, which reads it, or convert it to MP4 (H.264)."


def scan_video(content: Path | bytes, where: str) -> VideoFile:
    """As `vlmplug.video.scan_video`; the first frame is decoded for its size.

    :raises MediaError: as there, or the container is one that decord does not read exactly.
    """
    with _opened(content, where) as reader:
        count = len(reader)
        check_frame_count(count, where)
        height, width, channels = reader.next().shape
        check_frame_size((width, height), where)
        if channels != 3:
            raise MediaError(f"{where}: decord cannot read turned frames.", _FIX_READER)
        return VideoFile(content, count, _frame_rate(reader), (width, height))


def read_frames(video: VideoFile, wanted: list[int], where: str) -> Iterator[Image.Image]:
    """As `vlmplug.video.read_frames`.

    :raises MediaError: a frame cannot be decoded.
    """
    with _opened(video.content, where) as reader:
        place = 0
        for index in wanted:
            for _ in range(place, index):
                reader.next()
            place = index + 1
            yield Image.fromarray(reader.next().asnumpy())


@contextmanager
def _opened(content: Path | bytes, where: str) -> Iterator[Any]:
    # decord raises bare RuntimeError, AssertionError (no frame) and StopIteration (fewer frames than it counted).
    decord.logging.set_level(decord.logging.QUIET)
    _check_container(content, where)
    source = str(content.absolute()) if isinstance(content, Path) else io.BytesIO(content)
    try:
        yield decord.VideoReader(source, num_threads=1)
    except (decord.DECORDError, RuntimeError, AssertionError, StopIteration) as error:
        raise MediaError(f"{where}: the video is broken or cut short.", FIX_VIDEO) from error


def _check_container(content: Path | bytes, where: str) -> None:
    start = _first_bytes(content, where)
    if not any(start[place : place + len(mark)] == mark for place, mark in SIGNATURES.values()):
        known = "; ".join(SIGNATURES)
        raise MediaError(f"{where}: the video is broken or of an unknown format (decord reads {known}).", _FIX_READER)


def _first_bytes(content: Path | bytes, where: str) -> bytes:
    if isinstance(content, bytes):
        return content[:_LONGEST]
    try:
        with open(content, "rb") as file:
            return file.read(_LONGEST)
    except OSError as error:
        raise MediaError(f"{where}: {content} cannot be read ({error.strerror}).", "Check the path.") from error


def _frame_rate(reader: Any) -> float | None:
    rate = float(reader.get_avg_fps())
    return rate if rate > 0 else None
