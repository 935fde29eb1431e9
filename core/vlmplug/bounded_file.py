"""The start of a file, in bounded memory, and fast for the many small ones that listing reads."""

from __future__ import annotations

import os

#: One read of this size holds most files; asking for as much as is allowed would cost that memory each time.
_CHUNK = 1 << 16


def read_start(file: str | os.PathLike[str], most: int) -> bytes:
    """At most ``most`` bytes of a file from its start on.

    :raises OSError: it cannot be read.
    """
    chunks: list[bytes] = []
    with open(file, "rb", buffering=0) as stream:
        while most > 0 and (chunk := stream.read(min(most, _CHUNK))):
            chunks.append(chunk)
            most -= len(chunk)
    return b"".join(chunks)
