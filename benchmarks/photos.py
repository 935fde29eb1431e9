"""Distinct JPEG files that cost what photographs cost: 1/f noise, quality 90, seeded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

QUALITY = 90
_TILE = 1024


def photos(folder: Path, width: int, height: int, count: int) -> list[Path]:
    """The paths of ``count`` files of ``width`` x ``height``; each is another cut of the same texture. Those
    that are there already are left alone."""
    texture = _texture()
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda number: _photo(folder, texture, (width, height), number), range(count)))


def _texture() -> npt.NDArray[np.uint8]:
    """[1024, 1024, 3] with the spectrum of natural pictures: amplitude falls as 1/frequency."""
    generator = np.random.default_rng(0)
    frequencies = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :])
    frequencies[0, 0] = np.inf
    channels = []
    for _ in range(3):
        phases = np.exp(2j * np.pi * generator.random(frequencies.shape))
        channel = np.fft.irfft2(phases / frequencies, s=(_TILE, _TILE))
        channels.append(128 + 48 * channel / channel.std())
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def _photo(folder: Path, texture: npt.NDArray[np.uint8], size: tuple[int, int], number: int) -> Path:
    width, height = size
    file = folder / f"{width}x{height}-{number}.jpg"
    if not file.exists():
        shifted = np.roll(texture, (number * 131, number * 197), axis=(0, 1))
        repeats = (-(-height // _TILE), -(-width // _TILE), 1)
        Image.fromarray(np.tile(shifted, repeats)[:height, :width]).save(file, quality=QUALITY)
    return file
