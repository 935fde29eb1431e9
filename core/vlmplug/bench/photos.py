"""Distinct JPEG files that cost what photographs cost: 1/f noise, quality 90, seeded."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

QUALITY = 90
_TILE = 1024

#: Width and height in pixels.
Size = tuple[int, int]


def photos(folder: Path, sizes: Sequence[Size], seed: int = 0) -> list[Path]:
    """The paths of one file for each of ``sizes``, in the order of them; each is another cut of the same texture.

    Those that are there already are left alone.
    """
    texture = _texture(seed)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda number: _photo(folder, texture, sizes[number], number), range(len(sizes))))


def _texture(seed: int) -> npt.NDArray[np.uint8]:
    """[1024, 1024, 3] with the spectrum of natural pictures: amplitude falls as 1/frequency."""
    generator = np.random.default_rng(seed)
    frequencies = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :])
    frequencies[0, 0] = np.inf
    channels = []
    for _ in range(3):
        phases = np.exp(2j * np.pi * generator.random(frequencies.shape))
        channel = np.fft.irfft2(phases / frequencies, s=(_TILE, _TILE))
        channels.append(128 + 48 * channel / channel.std())
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def _photo(folder: Path, texture: npt.NDArray[np.uint8], size: Size, number: int) -> Path:
    width, height = size
    file = folder / f"{width}x{height}-{number}.jpg"
    if not file.exists():
        # odd steps, so that a million cuts differ from each other
        shifted = np.roll(texture, (number * 131, number * 197 + number // _TILE), axis=(0, 1))
        repeats = (-(-height // _TILE), -(-width // _TILE), 1)
        Image.fromarray(np.tile(shifted, repeats)[:height, :width]).save(file, quality=QUALITY)
    return file
