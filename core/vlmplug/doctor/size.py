"""Sizes in bytes, for people."""

from __future__ import annotations

GIB = 1 << 30


def gib(count: int) -> str:
    """``0.4 GiB``, ``78 GiB``."""
    size = count / GIB
    return f"{size:.1f} GiB" if size < 10 else f"{size:.0f} GiB"
