"""``data:`` addresses (RFC 2397): media that are written into their address."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

from vlmplug.errors import MediaError

_SPACE = b" \t\r\n\f"
_FIX = "Write data:image/png;base64,… with the whole file in base64."


def read_data_url(url: str, where: str, limit: int) -> bytes:
    """The bytes that are written in a ``data:`` address, in base64 or percent-encoded; its media type is not looked at.

    :raises MediaError: no comma, no valid base64, or more than ``limit`` bytes. No message repeats the data.
    """
    head, comma, body = url.partition(",")
    if not comma:
        raise MediaError(f"{where}: the data URL has no comma.", _FIX)
    try:
        written = unquote_to_bytes(body) if "%" in body else body.encode("ascii")
    except UnicodeEncodeError as error:
        raise MediaError(f"{where}: the data URL holds characters outside ASCII.", _FIX) from error
    if not head.rstrip().lower().endswith(";base64"):
        return _within(written, where, limit)
    return _within(_decoded(written.translate(None, _SPACE), where, limit), where, limit)


def _decoded(written: bytes, where: str, limit: int) -> bytes:
    if len(written) * 3 // 4 > limit + 2:
        raise _too_large(where, limit)
    try:
        return base64.b64decode(written, validate=True)
    except binascii.Error as error:
        raise MediaError(f"{where}: the data URL is not valid base64.", _FIX) from error


def _within(content: bytes, where: str, limit: int) -> bytes:
    if len(content) > limit:
        raise _too_large(where, limit)
    return content


def _too_large(where: str, limit: int) -> MediaError:
    return MediaError(f"{where}: more than {limit} bytes.", "Give a smaller file.")
