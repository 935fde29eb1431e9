"""Where vlmplug keeps what should outlast a program but is no setting: the platform's folder for state."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_VARIABLE = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME"


def state_folder_if_any() -> Path | None:
    """The folder, which need not exist; None where the user has no home.

    ``XDG_STATE_HOME``, or ``LOCALAPPDATA`` on Windows, moves it, as it does for other programs.
    """
    moved = Path(os.environ.get(_VARIABLE, ""))
    if moved.is_absolute():  # a relative path counts as none: XDG Base Directory Specification
        return moved / "vlmplug"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    inside = ("AppData", "Local") if sys.platform == "win32" else (".local", "state")
    return home.joinpath(*inside, "vlmplug")
