"""Colours of a terminal: when there are any, and which style has which."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TextIO

#: Select Graphic Rendition parameters (ECMA-48) by style.
_STYLES: Mapping[str, str] = {"header": "1", "name": "1", "good": "32", "doubtful": "33", "bad": "31", "dim": "2"}


def paint(text: str, style: str) -> str:
    """The text in a style; an empty text stays empty."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if text else ""


def plain(text: str, style: str) -> str:
    """The text as it is, for outputs without styles."""
    return str(text)


def has_colour(arguments: argparse.Namespace, stream: TextIO) -> bool:
    """Whether a stream gets colours: ``--color always`` or ``never``, else a terminal that can show them.

    ``NO_COLOR`` with any value, and the terminal ``dumb``, mean none.
    """
    choice = getattr(arguments, "color", "auto")
    if choice != "auto":
        return bool(choice == "always")
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
