"""Pictures as the official ``image_processing_vlm.py`` prepares them: scaled to the longer side, padded to a square.

Sizes are cut off, not rounded, as there; transformers' processor rounds, and so makes other pictures of some.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vlmplug.parts.section import Section
from vlmplug_deepseek_vl.vision import Vision

_GREY = (0.5, 0.5, 0.5)
_MIN_SIZE = 14


@dataclass(frozen=True)
class Canvas:
    """The square that a picture is put on.

    - ``side``: pixels. ``min_size``: fewest pixels of the shorter side. ``background``: colour around the picture.
    """

    side: int
    min_size: int
    background: tuple[int, int, int]


def read_canvas(vision: Vision, processor: Mapping[str, Any]) -> Canvas:
    """The canvas of a checkpoint.

    :param processor: ``preprocessor_config.json``; what it does not say follows from the towers.
    :raises CheckpointMismatchError: it makes pictures of another size than the towers take, or scales colours
        otherwise than to 0..1.
    """
    section = Section("preprocessor_config.json", processor, {"min_size": _MIN_SIZE, "rescale_factor": 1 / 255})
    side = vision.entrance.image_size
    if section.get("image_size") not in (None, side):
        raise section.wrong("image_size", f"{side}, which the vision tower takes")
    if not math.isclose(section.number("rescale_factor"), 1 / 255, rel_tol=1e-6):
        raise section.wrong("rescale_factor", "1/255")
    inside = vision.entrance.normalisation
    usual = _GREY if inside is None else inside.mean
    mean = usual if vision.siglip.layout == "transformers" else section.triple("image_mean") or usual
    red, green, blue = (int(value * 255) for value in mean)
    return Canvas(side, section.size("min_size"), (red, green, blue))


def fitted_size(size: tuple[int, int], canvas: Canvas) -> tuple[int, int]:
    """Width and height of a picture on the canvas."""
    longer = max(size)
    width, height = (max(int(length / longer * canvas.side), canvas.min_size) for length in size)
    return width, height


def prepare(image: Image.Image, canvas: Canvas) -> npt.NDArray[np.uint8]:
    """A picture of any mode on the canvas, centred: uint8 [1, side, side, 3]."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    width, height = fitted_size(rgb.size, canvas)
    pixels = np.empty((1, canvas.side, canvas.side, 3), np.uint8)
    pixels[...] = canvas.background
    left, top = (canvas.side - width) // 2, (canvas.side - height) // 2
    scaled = rgb.resize((width, height), Image.Resampling.BICUBIC)
    pixels[0, top : top + height, left : left + width] = np.asarray(scaled)
    return pixels
