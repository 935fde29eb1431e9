"""Keeps Pillow's settings: importing lmdeploy makes Pillow accept truncated pictures in the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile


@contextmanager
def pillow_unchanged() -> Iterator[None]:
    """Around the first import of anything that imports lmdeploy."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
