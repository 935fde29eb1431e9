"""Files that a flag asks to write: what can be told of them before a model is loaded."""

from __future__ import annotations

import os
from pathlib import Path

from vlmplug.errors import OptionError


def check_folder(file: Path, flag: str) -> None:
    """The folder of a file has to be there; only folders that a flag names themselves are made.

    :raises OptionError: it is not, or nothing can be written into it.
    """
    folder = file.parent
    if not folder.is_dir():
        raise OptionError(f"{flag} {file}: there is no folder {folder}.", "Make it, or name another file.")
    if not os.access(folder, os.W_OK):
        raise OptionError(f"{flag} {file}: the folder {folder} cannot be written to.", "Name another file.")
