"""Where PyAV is missing, decord gives the same frames or refuses.

decord is only ever loaded in a process without PyAV, in which these tests therefore ask: one for each file.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.video_maker import ENCODINGS, PLAY_LIST, SHOTS, SIZE, Encoding, decoded_in_order, write_video
from vlmplug.video import read_frames, scan_video

pytestmark = pytest.mark.skipif(find_spec("decord") is None, reason="decord has no wheel for this platform")

#: Reads the wanted frames of a file without PyAV; from its path and from its bytes.
ASK = """
import hashlib, json, sys
from pathlib import Path
sys.modules["av"] = None
from vlmplug.errors import MediaError
from vlmplug.video import read_frames, scan_video
path, choices = Path(sys.argv[1]), json.loads(sys.argv[2])
def answer(content):
    try:
        video = scan_video(content, "clip")
        digests = [[hashlib.sha256(f.tobytes()).hexdigest() for f in read_frames(video, c, "clip")] for c in choices]
        return dict(frame_count=video.frame_count, fps=video.fps, size=video.size, digests=digests)
    except MediaError as error:
        return dict(problem=error.problem, remedy=error.remedy)
found = [answer(path), answer(path.read_bytes())]
assert "decord" in sys.modules
print(json.dumps(found))
"""
EXACT = [encoding for encoding in ENCODINGS if encoding.name.endswith((".mp4", ".mkv", ".webm", ".flv", ".avi"))]
REFUSED = [encoding for encoding in ENCODINGS if encoding not in EXACT]


def ask(path: Path, choices: list[list[int]]) -> dict[str, Any]:
    """What a process without PyAV found: the same from the path and from the bytes."""
    command = [sys.executable, "-c", ASK, str(path), json.dumps(choices)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    by_path, by_bytes = json.loads(done.stdout)
    assert by_path == by_bytes
    assert isinstance(by_path, dict)
    return by_path


@pytest.mark.parametrize("encoding", EXACT, ids=lambda encoding: encoding.name)
def test_any_frames_in_rising_order_are_the_exact_ones(encoding: Encoding, tmp_path: Path) -> None:
    path = write_video(tmp_path, encoding)
    expected = [hashlib.sha256(frame.tobytes()).hexdigest() for frame in decoded_in_order(path)]
    choices = [[0], [59], [58, 59], [0, 59], list(range(60)), [11, 12, 13], [23, 24, 47]]
    found = ask(path, choices)
    assert (found["frame_count"], found["fps"], tuple(found["size"])) == (60, 25.0, SIZE)
    assert found["digests"] == [[expected[index] for index in wanted] for wanted in choices]


@pytest.mark.parametrize("name", ["bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"])
def test_both_readers_find_the_same_in_videos_of_the_world(name: str) -> None:
    video = scan_video(SHOTS / name, "clip")
    wanted = [3, video.frame_count // 2, video.frame_count - 1]
    found = ask(SHOTS / name, [wanted])
    assert (found["frame_count"], tuple(found["size"])) == (video.frame_count, video.size)
    assert found["fps"] == pytest.approx(video.fps)
    frames = read_frames(video, wanted, "clip")
    assert found["digests"] == [[hashlib.sha256(frame.tobytes()).hexdigest() for frame in frames]]


@pytest.mark.parametrize("encoding", REFUSED, ids=lambda encoding: encoding.name)
def test_containers_in_which_decord_is_not_exact_are_refused(encoding: Encoding, tmp_path: Path) -> None:
    found = ask(write_video(tmp_path, encoding), [[0]])
    assert "unknown format (decord reads MP4" in found["problem"]
    assert found["remedy"].startswith("pip install av")


def test_frames_turned_by_a_quarter_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path, Encoding("turned.mp4"))
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    struct.pack_into(">9i", content, matrix, 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    assert scan_video(path, "clip").size == SIZE
    assert "turned frames" in ask(path, [[0]])["problem"]


@pytest.mark.parametrize("kept", [0.95, 0.7, 0.2])
def test_a_file_cut_short_is_refused(kept: float, tmp_path: Path) -> None:
    path = write_video(tmp_path, Encoding("front.mp4", container={"movflags": "faststart"}))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert ask(path, [[0, 59]])["problem"] == "clip: the video is broken or cut short."


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense" * 500, b"\0" * 4096, b"ffconcat version 1.0\nfile bikes.mp4\n", PLAY_LIST % b"bikes.mp4"],
    ids=["nothing", "text", "zeros", "list of files", "play list"],
)
def test_what_is_no_video(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(content)
    assert "unknown format" in ask(tmp_path / "clip", [[0]])["problem"]


def test_a_container_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 300)
    assert ask(tmp_path / "clip.mp4", [[0]])["problem"] == "clip: the video is broken or cut short."
