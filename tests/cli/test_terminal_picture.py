"""Pictures in terminals: which can show them, and what is written."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image

from vlmplug.cli.terminal_picture import picture_codes, protocol_of


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "screen-256color", "TMUX": "/tmp/t", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "dumb", "TERM_PROGRAM": "iTerm.app"}, None),
        ({}, None),
    ],
)
def test_what_a_terminal_says_about_itself(environment: dict[str, str], protocol: str | None) -> None:
    assert protocol_of(environment) == protocol


@pytest.fixture
def noise() -> Image.Image:
    """A large picture that does not compress well, with transparency."""
    return Image.effect_noise((1000, 400), 90).convert("RGBA")


def shown(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_kitty_gets_chunks(noise: Image.Image) -> None:
    codes = picture_codes(noise, "kitty")
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", codes)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in chunks) == codes
    assert [keys for keys, _ in chunks] == ["a=T,f=100,q=2,m=1", *["m=1"] * (len(chunks) - 2), "m=0"]
    assert all(len(data) <= 4096 for _, data in chunks)
    assert shown(base64.b64decode("".join(data for _, data in chunks))).size == (480, 192)


def test_iterm2_gets_one_code(noise: Image.Image) -> None:
    found = re.fullmatch(
        r"\x1b\]1337;File=inline=1;size=(\d+);preserveAspectRatio=1:([^\a]*)\a", picture_codes(noise, "iterm2")
    )
    assert found is not None
    data = base64.b64decode(found[2])
    assert int(found[1]) == len(data)
    assert shown(data).format == "PNG"
