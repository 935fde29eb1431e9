"""Checksums that hubs give for their files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

#: Bytes that are read at once.
PIECE = 1 << 20

_LENGTHS = {"sha256": 64, "git": 40}
_DIGITS = frozenset("0123456789abcdef")


class Digest(Protocol):
    """A checksum under way."""

    def update(self, data: bytes, /) -> None:
        """Takes the next bytes in."""

    def hexdigest(self) -> str:
        """The checksum of all bytes so far."""


@dataclass(frozen=True)
class Checksum:
    """``sha256``: of the bytes; ``git``: the SHA-1 that git gives a file, of its size and bytes."""

    kind: Literal["sha256", "git"]
    value: str

    @property
    def plausible(self) -> bool:
        """Whether it looks like one; it becomes the name of a file."""
        return len(self.value) == _LENGTHS[self.kind] and set(self.value) <= _DIGITS

    def digest(self, size: int) -> Digest:
        """An empty one for a file of ``size`` bytes."""
        if self.kind == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)

    def fits(self, file: Path) -> bool:
        """Whether a file has this checksum; reads it whole."""
        digest = self.digest(file.stat().st_size)
        feed(digest, file)
        return digest.hexdigest() == self.value


def feed(digest: Digest, file: Path) -> None:
    """Takes the bytes of a file in."""
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            digest.update(piece)
