"""Frame n of a video is exactly frame n, whatever the container and however it was encoded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vlmplug.video_file
from tests.video_maker import ENCODINGS, PLAY_LIST, SHOTS, SIZE, Encoding, decoded_in_order, write_sound, write_video
from vlmplug.errors import MediaError
from vlmplug.video import read_frames, scan_video

WHERE = "messages[0].parts[1]"


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
    monkeypatch.setattr(vlmplug.video_file, limit, value)
    with pytest.raises(MediaError, match=says):
        scan_video(SHOTS / "bikes.mp4", WHERE)
    monkeypatch.setattr(vlmplug.video_file, limit, value + 1)
    assert scan_video(SHOTS / "bikes.mp4", WHERE).frame_count == 250


def test_counted_videos_have_the_same_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vlmplug.video_file, "MAX_VIDEO_FRAMES", 59)
    with pytest.raises(MediaError, match="more than 59 frames"):
        scan_video(write_video(tmp_path, Encoding("old.avi", codec="mpeg4")), WHERE)


def test_a_frame_that_is_gone_when_it_is_read(tmp_path: Path) -> None:
    path = write_video(tmp_path, Encoding("plain.mkv"))
    video = scan_video(path, WHERE)
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(MediaError, match="messages"):
        list(read_frames(video, [59], WHERE))


def test_with_nothing_to_read_videos_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(MediaError, match="needs PyAV") as caught:
        scan_video(SHOTS / "bikes.mp4", WHERE)
    assert caught.value.remedy == "pip install av"


def test_where_both_readers_are_installed_pyav_reads_and_decord_is_not_even_imported() -> None:
    """Both in one process share FFmpeg symbols that do not fit together."""
    code = (
        "import sys; from pathlib import Path; from vlmplug.video import scan_video;"
        "scan_video(Path(sys.argv[1]), 'clip'); print(sorted({'av', 'decord'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, SHOTS / "bikes.mp4"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['av']"
