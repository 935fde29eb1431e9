"""Where the bytes of pictures and clips come from: files, addresses, bytes in memory, open binary files.

Only regular files are read, and everything only up to a limit, so that a directory, a pipe or a device can neither
hang the process nor fill its memory.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable
from urllib.parse import unquote, urlsplit

from vlmplug.data_url import read_data_url
from vlmplug.errors import MediaError
from vlmplug.media_policy import MediaPolicy

# One letter is the drive of a Windows path.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://|(data|file):", re.IGNORECASE)
_WEB = ("http", "https")


@runtime_checkable
class BinaryFile(Protocol):
    """Anything with ``read(size) -> bytes``; read from where it stands, and not closed."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; fewer only at the end."""


ByteSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile"


def is_local(source: object) -> bool:
    """Whether ``source`` names a file of this machine, by its path or by a ``file:`` address."""
    return isinstance(source, os.PathLike) or (isinstance(source, str) and _scheme(source) in ("", "file"))


def local_file(source: str | os.PathLike[str], where: str, policy: MediaPolicy | None = None) -> Path:
    """The regular, readable file that ``source`` names.

    :raises MediaError: the policy forbids it; another address than a ``file:`` one, a missing file, a directory, a pipe
        or device.
    """
    if not (policy or MediaPolicy()).local_files:
        raise MediaError(f"{where}: files of this machine are not read here.", "Give the content itself.")
    name = _path_of(source, where)
    path = Path(name)
    try:
        _check_regular(path, where)
    except (OSError, ValueError) as error:
        raise MediaError(f"{where}: {_shortened(name)!r} cannot be read: {_reason(error)}.", _FIX_PATH) from error
    return path


def read_bytes(source: ByteSource, where: str, limit: int, policy: MediaPolicy | None = None) -> bytes:
    """All bytes of ``source``, at most ``limit``.

    :param policy: what may be read; None: `MediaPolicy`'s defaults.
    :raises MediaError: the policy forbids it, it cannot be read, is empty, or holds more than ``limit`` bytes.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        content = bytes(source)
    elif isinstance(source, str) and not is_local(source):
        content = _read_address(source, where, limit, policy or MediaPolicy())
    elif isinstance(source, str | os.PathLike):
        content = _read_path(local_file(source, where, policy), where, limit)
    else:
        content = _read_file(source, where, limit)
    if not content:
        raise MediaError(f"{where}: there is not a single byte in it.", "Give a complete file.")
    if len(content) > limit:
        raise MediaError(f"{where}: more than {limit} bytes.", "Give a smaller file.")
    return content


def _scheme(name: str) -> str:
    found = _SCHEME.match(name)
    return (found[1] or found[2]).lower() if found else ""


def _read_address(url: str, where: str, limit: int, policy: MediaPolicy) -> bytes:
    scheme = _scheme(url)
    if scheme == "data":
        return read_data_url(url, where, limit)
    if scheme not in _WEB:
        raise MediaError(f"{where}: {scheme}: addresses are not read.", "Give a path, or an http, https or data URL.")
    if policy.addresses == "none":
        raise MediaError(f"{where}: addresses are not fetched here.", "Give the content itself.")
    from vlmplug.download import download  # http.client and ssl take a while to import

    return download(url, where, limit, policy)


def _path_of(source: str | os.PathLike[str], where: str) -> str:
    """The path itself; of a ``file:`` address the path in it."""
    name = os.fspath(source)
    if not name:
        raise MediaError(f"{where}: the path is empty.", _FIX_PATH)
    if not isinstance(source, str) or not _scheme(name):
        return name
    if not is_local(name):
        raise MediaError(f"{where}: {_shortened(name)!r} names no file of this machine.", _FIX_PATH)
    try:
        parts = urlsplit(name)
    except ValueError as error:
        raise MediaError(f"{where}: the address cannot be read: {error}.", _FIX_FILE) from error
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise MediaError(f"{where}: {_shortened(name)!r} names no file of this machine.", _FIX_FILE)
    path = unquote(parts.path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path  # file:///C:/picture.png


_FIX_PATH = "Give the path of a readable file."
_FIX_FILE = "Write file:///folder/picture.png, with %23 for # and %3F for ?, or give the path."


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
    except Exception as error:  # an object of the caller's, which may raise anything
        raise MediaError(
            f"{where}: the file object cannot be read: {_reason(error)}.", "Open it for reading."
        ) from error
    if not isinstance(content, bytes | bytearray):
        raise MediaError(f"{where}: the file object gives text.", "Open it in binary mode.")
    return bytes(content)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def _shortened(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:60]}… ({len(name)} characters)"
