"""Where the bytes of pictures and clips come from: files on disk, bytes in memory, open binary files.

Only regular files are read, and only up to a limit, so that a directory, a pipe or a device can neither hang
the process nor fill its memory.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from vlmplug.errors import MediaError

_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]+://|data:)", re.IGNORECASE)


@runtime_checkable
class BinaryFile(Protocol):
    """Anything with ``read(size) -> bytes``; read from where it stands, and not closed."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; fewer only at the end."""


ByteSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile"


def is_path(source: object) -> bool:
    """Whether ``source`` names a file (or an address, which `local_file` refuses)."""
    return isinstance(source, str | os.PathLike)


def local_file(source: str | os.PathLike[str], where: str) -> Path:
    """The regular, readable file that ``source`` names.

    :raises MediaError: an address, a missing file, a directory, a pipe or device, an empty file.
    """
    name = os.fspath(source)
    if _ADDRESS.match(name):
        raise MediaError(
            f"{where}: {_shortened(name)} is an address, and addresses are not fetched yet.",
            "Download it and give the local file.",
        )
    path = Path(name)
    try:
        _check_regular(path, where)
    except (OSError, ValueError) as error:
        raise MediaError(f"{where}: {_shortened(name)!r} cannot be read: {_reason(error)}.", _FIX_PATH) from error
    return path


def read_bytes(source: ByteSource, where: str, limit: int) -> bytes:
    """All bytes of ``source``, at most ``limit``.

    :raises MediaError: it cannot be read, is empty, or holds more than ``limit`` bytes.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        content = bytes(source)
    elif isinstance(source, str | os.PathLike):
        content = _read_path(local_file(source, where), where, limit)
    else:
        content = _read_file(source, where, limit)
    if not content:
        raise MediaError(f"{where}: there is not a single byte in it.", "Give a complete file.")
    if len(content) > limit:
        raise MediaError(f"{where}: more than {limit} bytes.", "Give a smaller file.")
    return content


_FIX_PATH = "Give the path of a readable file."


def _check_regular(path: Path, where: str) -> None:
    path.stat()
    if path.is_dir():
        raise MediaError(f"{where}: {str(path)!r} is a directory.", "Give the path of one file.")
    if not path.is_file():
        raise MediaError(f"{where}: {str(path)!r} is a pipe, a device or a socket.", "Give the path of a regular file.")


def _read_path(path: Path, where: str, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise MediaError(f"{where}: {str(path)!r} cannot be read: {_reason(error)}.", _FIX_PATH) from error


def _read_file(file: BinaryFile, where: str, limit: int) -> bytes:
    try:
        content = file.read(limit + 1)
    except (OSError, ValueError, EOFError) as error:
        raise MediaError(
            f"{where}: the file object cannot be read: {_reason(error)}.", "Open it for reading."
        ) from error
    if not isinstance(content, bytes | bytearray):
        raise MediaError(f"{where}: the file object gives text.", "Open it in binary mode.")
    return bytes(content)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def _shortened(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:60]}… ({len(name)} characters)"
