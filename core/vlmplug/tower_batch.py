"""How many tiles go through a vision tower at once: what a layer holds meanwhile grows with their pixels."""

from __future__ import annotations

#: A tile of 448 by 448 counts as one; a larger one as several.
TILE_PIXELS = 448 * 448


def tiles_at_once(limit: int, height: int, width: int) -> int:
    """Most tiles of that size, in pixels, that take no more memory than ``limit`` of 448 by 448; at least one."""
    return max(1, min(limit, limit * TILE_PIXELS // (height * width)))
