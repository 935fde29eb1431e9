"""Pictures in terminals that can show them: kitty's graphics protocol and iTerm2's inline images."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image

Protocol = Literal["kitty", "iterm2"]

#: Bytes of base64 in one escape code; the most that kitty's protocol allows.
_CHUNK = 4096
#: A picture is shown within so many pixels.
_SHOWN = (480, 320)
_KITTY_PROGRAMS = ("ghostty",)
_ITERM2_PROGRAMS = ("iTerm.app", "WezTerm", "mintty", "vscode")


def protocol_of(environment: Mapping[str, str]) -> Protocol | None:
    """What the terminal understands, by what it says about itself; None: nothing, or something stands in between."""
    if "TMUX" in environment or environment.get("TERM", "").startswith(("screen", "tmux", "dumb")):
        return None
    program = environment.get("TERM_PROGRAM", "")
    if "KITTY_WINDOW_ID" in environment or "kitty" in environment.get("TERM", "") or program in _KITTY_PROGRAMS:
        return "kitty"
    if program in _ITERM2_PROGRAMS or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    return None


def picture_codes(image: Image.Image, protocol: Protocol) -> str:
    """What to write so that the terminal shows a small copy of a picture."""
    data = _png(image)
    encoded = base64.b64encode(data).decode("ascii")
    if protocol == "iterm2":
        return f"\x1b]1337;File=inline=1;size={len(data)};preserveAspectRatio=1:{encoded}\a"
    return "".join(_kitty(encoded))


def _kitty(encoded: str) -> Iterator[str]:
    for begin in range(0, len(encoded), _CHUNK):
        more = int(begin + _CHUNK < len(encoded))
        keys = f"a=T,f=100,q=2,m={more}" if begin == 0 else f"m={more}"
        yield f"\x1b_G{keys};{encoded[begin : begin + _CHUNK]}\x1b\\"


def _png(image: Image.Image) -> bytes:
    small = image.convert("RGB")
    small.thumbnail(_SHOWN)
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return buffer.getvalue()
