"""What a download tells about itself while it runs."""

from __future__ import annotations

import logging
from typing import Protocol

_log = logging.getLogger(__name__)


class Progress(Protocol):
    """Told by a download from several threads, but never by two at once."""

    def begin(self, total: int, done: int) -> None:
        """``total`` bytes are needed, ``done`` of them are here."""

    def advance(self, count: int) -> None:
        """``count`` more bytes are here; fewer, where a file has to be begun anew."""

    def note(self, text: str) -> None:
        """Something that a person wants to know."""

    def end(self) -> None:
        """Nothing more will come, for better or worse."""


class QuietProgress:
    """Notes go to the log; everything else is nobody's business."""

    def begin(self, total: int, done: int) -> None:
        """Nothing."""

    def advance(self, count: int) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Into the log."""
        _log.info(text)

    def end(self) -> None:
        """Nothing."""
