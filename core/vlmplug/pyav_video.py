"""Reads video files with PyAV (FFmpeg); see `vlmplug.video`.

A first pass over the packets, without decoding, gives the time of every frame in the order of display and the
places where decoding can start. A frame is then found by its time: decoding starts at the last such place
before it, or goes on from the frame before where that is nearer.
"""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import av
from PIL import Image

from vlmplug.errors import MediaError
from vlmplug.video_file import FIX_VIDEO, VideoFile, check_frame_count, check_frame_size

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

#: FFmpeg's names of the containers that are opened. Play lists and network formats are left out on purpose:
#: they name other files, which FFmpeg would then open.
VIDEO_FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,gif,m4v,h264,hevc"
#: Containers whose packets carry the time at which their frame is shown; in others frames are counted by
#: decoding.
TIMED_FORMATS = frozenset({"mov", "mp4", "matroska", "webm", "mpegts", "flv", "gif"})


def scan_video(content: Path | bytes, where: str) -> VideoFile:
    """As `vlmplug.video.scan_video`, over the packets.

    :raises MediaError: as there.
    """
    with _opened(content, where) as (container, stream):
        size = (stream.codec_context.width, stream.codec_context.height)
        check_frame_size(size, where)
        times, starts = _scan_packets(container, stream, where)
        fps = _frame_rate(stream)
    count = len(times) or _count_decoded(content, where)
    check_frame_count(count, where)
    return VideoFile(content, count, fps, size, times, starts)


def read_frames(video: VideoFile, wanted: list[int], where: str) -> Iterator[Image.Image]:
    """As `vlmplug.video.read_frames`.

    :raises MediaError: a frame cannot be decoded.
    """
    with _opened(video.content, where) as (container, stream):
        decoder = _decoder(container, stream, video)
        for index in wanted:
            frame = decoder.frame(index)
            if frame is None:
                raise MediaError(f"{where}: frame {index} cannot be decoded.", "Give a complete file.")
            yield Image.fromarray(frame.to_ndarray(format="rgb24"))


def _decoder(container: InputContainer, stream: VideoStream, video: VideoFile) -> _Decoder:
    if video.times:
        return _TimedDecoder(container, stream, video)
    return _CountingDecoder(container, stream)


class _Decoder(Protocol):
    def frame(self, index: int) -> VideoFrame | None: ...


class _CountingDecoder:
    """Frame n is the n-th one that comes out of the decoder."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._frames = enumerate(container.decode(stream))

    def frame(self, index: int) -> VideoFrame | None:
        """The frame with this number; numbers must rise from call to call."""
        return next((frame for number, frame in self._frames if number == index), None)


class _TimedDecoder:
    """Frame n is the one with the n-th time."""

    def __init__(self, container: InputContainer, stream: VideoStream, video: VideoFile) -> None:
        self._container, self._stream, self._video = container, stream, video
        self._frames = container.decode(stream)
        self._passed: float = -math.inf

    def frame(self, index: int) -> VideoFrame | None:
        """The frame with this number; numbers must rise from call to call."""
        time = self._video.times[index]
        start = self._last_start(time)
        if start is not None and start > self._passed and start > self._video.starts[0]:
            self._start_at(start)
        return self._advance(time) or self._from_the_beginning(time)

    def _last_start(self, time: int) -> int | None:
        place = bisect_right(self._video.starts, time)
        return self._video.starts[place - 1] if place else None

    def _start_at(self, time: int) -> None:
        self._container.seek(time, stream=self._stream)
        self._frames = self._container.decode(self._stream)
        self._passed = -math.inf

    def _advance(self, time: int) -> VideoFrame | None:
        for frame in self._frames:
            self._passed = time if frame.pts is None else frame.pts
            if self._passed >= time:
                return frame if frame.pts == time else None
        return None

    def _from_the_beginning(self, time: int) -> VideoFrame | None:
        # Some containers find only a later place to start from.
        self._start_at(min(self._video.times[0], self._video.starts[0] if self._video.starts else 0))
        return self._advance(time)


@contextmanager
def _opened(content: Path | bytes, where: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        with open(content, "rb") if isinstance(content, Path) else io.BytesIO(content) as file:
            # A file object, not a name: FFmpeg then opens nothing by itself.
            options = {"format_whitelist": VIDEO_FORMATS, "protocol_whitelist": "none"}
            with av.open(file, mode="r", container_options=options) as container:
                yield container, _picture_stream(container, where)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{where}: the video is broken or of an unknown format ({reason}).", FIX_VIDEO) from error


def _picture_stream(container: InputContainer, where: str) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise MediaError(f"{where}: the file holds no moving pictures.", "Give a video file.")


_Times: TypeAlias = "tuple[int, ...]"


def _scan_packets(container: InputContainer, stream: VideoStream, where: str) -> tuple[_Times, _Times]:
    """Times of all frames, and of those at which decoding can start; nothing where there are no sure times."""
    packets = list(_packets(container, stream, where))
    times = sorted({time for time, _ in packets if time is not None})
    starts = sorted(time for time, starting in packets if starting and time is not None)
    timed = not TIMED_FORMATS.isdisjoint(container.format.name.split(","))
    return (tuple(times), tuple(starts)) if timed and len(times) == len(packets) else ((), ())


def _packets(container: InputContainer, stream: VideoStream, where: str) -> Iterator[tuple[int | None, bool]]:
    """Time of display of each frame, and whether decoding can start there, in the order of the file."""
    shown = (packet for packet in container.demux(stream) if packet.size and not packet.is_discard)
    for number, packet in enumerate(shown):
        if packet.is_corrupt:
            raise MediaError(f"{where}: the video is cut short after {number} frames.", "Give a complete file.")
        check_frame_count(number + 1, where)
        yield packet.pts, packet.is_keyframe


def _count_decoded(content: Path | bytes, where: str) -> int:
    with _opened(content, where) as (container, stream):
        return sum(1 for _ in container.decode(stream))


def _frame_rate(stream: VideoStream) -> float | None:
    rate = stream.average_rate
    return float(rate) if rate is not None and rate > 0 else None
