"""Paths and addresses of pictures and clips are taken out of a line, however a terminal writes them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.dialogue.dropped_media import Dropped, medium_of, read_line
from vlmplug.errors import PlacementError


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of all kinds in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.JPG", "my cat.png", "it's.webp", "clip.mp4", "notes.txt"):
        (tmp_path / name).touch()


def sources(line: str) -> list[str]:
    return [found.source for found in read_line(line).media]


@pytest.mark.parametrize(
    ("line", "text", "found"),
    [
        ("What is it? a.png", "What is it?", ["a.png"]),
        ("a.png What is it?", "What is it?", ["a.png"]),
        ("a.png b.JPG", "", ["a.png", "b.JPG"]),
        ("'my cat.png' What is it?", "What is it?", ["my cat.png"]),
        ('What is it? "my cat.png"', "What is it?", ["my cat.png"]),
        ("What is it? 'it'\\''s.webp' ", "What is it?", ["it's.webp"]),
        ("What is in a.png?", "What is in <image>?", ["a.png"]),
        ("Is a.png like b.JPG or not", "Is <image> like <image> or not", ["a.png", "b.JPG"]),
        ("a.png is like b.JPG or not?", "<image> is like <image> or not?", ["a.png", "b.JPG"]),
        ("What happens? clip.mp4", "What happens?", ["clip.mp4"]),
        ("What happens in clip.mp4, please?", "What happens in <video>, please?", ["clip.mp4"]),
        ("Compare <image> with <image>. a.png b.JPG", "Compare <image> with <image>.", ["a.png", "b.JPG"]),
        ("See <img>my cat.png</img> here", "See <image> here", ["my cat.png"]),
        ("<img>notes.txt</img>", "<image>", ["notes.txt"]),
        ("<video>clip.mp4</video>What happens?", "<video>What happens?", ["clip.mp4"]),
        ("https://x.org/a%20b.png?w=1 What is it?", "What is it?", ["https://x.org/a%20b.png?w=1"]),
        ("file:///a.png ?", "?", ["file:///a.png"]),
        ("data:image/png;base64,AAAA What?", "What?", ["data:image/png;base64,AAAA"]),
        ("/no/such.png What?", "What?", ["/no/such.png"]),
        ("Read notes.txt, what's 'in it'", "Read notes.txt, what's 'in it'", []),
        ("https://x.org/page is down", "https://x.org/page is down", []),
        ("don't  touch   blanks", "don't  touch   blanks", []),
        ("Mind <image> tags", "Mind <image> tags", []),
    ],
)
def test_lines(line: str, text: str, found: list[str]) -> None:
    read = read_line(line)
    assert (read.text, [dropped.source for dropped in read.media]) == (text, found)


@pytest.mark.skipif(sys.platform == "win32", reason="there a backslash separates folders")
def test_escaped_blanks() -> None:
    assert sources("my\\ cat.png What is it?") == ["my cat.png"]


def test_home_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert sources("~/a.png") == [str(tmp_path / "a.png")] or sources("~/a.png") == [f"{tmp_path}/a.png"]


def test_what_looks_like_a_picture_and_is_none_is_told() -> None:
    read = read_line("What is in cat.png?")
    assert (read.text, read.media, read.strangers) == ("What is in cat.png?", (), ("cat.png",))


def test_tags_without_media_are_counted() -> None:
    read = read_line("<image> and <image> and <video> a.png")
    assert (read.missing("image"), read.missing("video")) == (1, 1)


def test_tags_and_written_places_do_not_mix() -> None:
    with pytest.raises(PlacementError, match="stands beside"):
        read_line("<image> and <img>a.png</img>")


@pytest.mark.parametrize(
    ("name", "medium"),
    [("a.PNG", "image"), ("a.webm", "video"), ("a.ts", None), ("a", None), ("http://h/a.jpg#x", "image")],
)
def test_endings(name: str, medium: str | None) -> None:
    assert medium_of(name) == medium


@pytest.mark.skipif(sys.platform == "win32", reason="quotes of Unix shells")
@given(st.text(st.characters(exclude_characters="/\0\n\r", exclude_categories=("Cs",)), min_size=1, max_size=20))
def test_what_a_shell_would_quote_is_read_back(name: str) -> None:
    path = f"/folder/{name}.png"
    quoted = "'" + path.replace("'", "'\\''") + "'"
    assert read_line(f"{quoted} What is it?").media == (Dropped("image", shlex.split(quoted)[0]),)


@given(st.text(max_size=60))
def test_any_line_is_read(line: str) -> None:
    try:
        read = read_line(line)
    except PlacementError:
        return
    assert read.media or read.text == line
