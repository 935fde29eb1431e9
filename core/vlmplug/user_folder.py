"""The user's own folders of vlmplug, where the platform wants them: for caches, and for state that is no setting."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vlmplug.errors import VlmplugError

_WINDOWS = ("LOCALAPPDATA", "AppData", "Local")
#: The variable that moves a folder, as it does for other programs, and its place in the home where nothing does.
_CACHE = _WINDOWS if sys.platform == "win32" else ("XDG_CACHE_HOME", ".cache")
_STATE = _WINDOWS if sys.platform == "win32" else ("XDG_STATE_HOME", ".local", "state")


def cache_folder() -> Path:
    """Where vlmplug keeps what it can make again; it need not exist.

    ``XDG_CACHE_HOME``, or ``LOCALAPPDATA`` on Windows, moves it.

    :raises VlmplugError: there is none, because the user has no home.
    """
    folder = cache_folder_if_any()
    if folder is None:
        raise VlmplugError("There is no folder for caches: the user has no home.", f"Set {_CACHE[0]} to a folder.")
    return folder


def cache_folder_if_any() -> Path | None:
    """The same for those who can do without; None where the user has no home."""
    return _folder(*_CACHE)


def state_folder_if_any() -> Path | None:
    """Where vlmplug keeps what should outlast a program; it need not exist. None where the user has no home.

    ``XDG_STATE_HOME``, or ``LOCALAPPDATA`` on Windows, moves it.
    """
    return _folder(*_STATE)


def _folder(variable: str, *inside: str) -> Path | None:
    moved = Path(os.environ.get(variable, ""))
    if moved.is_absolute():  # a relative path counts as none: XDG Base Directory Specification
        return moved / "vlmplug"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home.joinpath(*inside, "vlmplug")
