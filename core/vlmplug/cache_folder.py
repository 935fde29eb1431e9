"""Where vlmplug keeps what it can make again: the platform's folder for caches."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vlmplug.errors import VlmplugError

_VARIABLE = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"


def cache_folder() -> Path:
    """The folder of our own caches; it need not exist.

    ``XDG_CACHE_HOME``, or ``LOCALAPPDATA`` on Windows, moves it, as it does for other programs.

    :raises VlmplugError: there is none, because the user has no home.
    """
    folder = cache_folder_if_any()
    if folder is None:
        raise VlmplugError("There is no folder for caches: the user has no home.", f"Set {_VARIABLE} to a folder.")
    return folder


def cache_folder_if_any() -> Path | None:
    """The same for those who can do without; None where the user has no home."""
    moved = Path(os.environ.get(_VARIABLE, ""))
    if moved.is_absolute():  # a relative path counts as none: XDG Base Directory Specification
        return moved / "vlmplug"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    inside = ("AppData", "Local") if sys.platform == "win32" else (".cache",)
    return home.joinpath(*inside, "vlmplug")
