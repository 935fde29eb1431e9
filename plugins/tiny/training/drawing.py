"""Drawing scenes with Pillow: filled shapes, smooth edges, a little noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from training.scenes import BACKGROUNDS, COLOURS, Item, Scene

#: Drawn this many times too large, then averaged: that smooths the edges.
OVERSAMPLING = 3

Point = tuple[float, float]


def star_outline(points: int, inner: float) -> tuple[Point, ...]:
    """A star in the box [-1, 1]²; ``inner``: radius of the notches."""
    radii = (1.0, inner) * points
    angles = (math.pi * i / points - math.pi / 2 for i in range(2 * points))
    return tuple((r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True))


#: Outlines in the box [-1, 1]², y downwards; a circle is drawn as an ellipse.
OUTLINES: Mapping[str, tuple[Point, ...]] = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "triangle": ((0.0, -0.95), (1.0, 0.85), (-1.0, 0.85)),
    "diamond": ((0.0, -1.0), (0.8, 0.0), (0.0, 1.0), (-0.8, 0.0)),
    "star": star_outline(5, 0.42),
    "cross": (
        (-0.33, -1.0), (0.33, -1.0), (0.33, -0.33), (1.0, -0.33), (1.0, 0.33), (0.33, 0.33),
        (0.33, 1.0), (-0.33, 1.0), (-0.33, 0.33), (-1.0, 0.33), (-1.0, -0.33), (-0.33, -0.33),
    ),
}  # fmt: skip


@cache
def noise_bank() -> npt.NDArray[np.float32]:
    """Unit noise [700, 700, 3], from which every picture takes a window."""
    return np.random.default_rng(7).standard_normal((700, 700, 3), dtype=np.float32)


def shaded(item: Item) -> tuple[int, int, int]:
    red, green, blue = (min(max(c + s, 0), 255) for c, s in zip(COLOURS[item.colour], item.shade, strict=True))
    return red, green, blue


def draw_item(pen: ImageDraw.ImageDraw, item: Item, scene: Scene) -> None:
    canvas, scale = scene.canvas, OVERSAMPLING
    x, y = item.x * canvas.width * scale, item.y * canvas.height * scale
    reach = item.size * canvas.short * scale / 2
    if item.shape == "circle":
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), shaded(item))
    else:
        pen.polygon([(x + reach * u, y + reach * v) for u, v in OUTLINES[item.shape]], shaded(item))


def add_noise(picture: Image.Image, scene: Scene) -> Image.Image:
    bank, rng = noise_bank(), Random(scene.grain)
    top = rng.randrange(len(bank) - picture.height)
    left = rng.randrange(len(bank) - picture.width)
    window = bank[top : top + picture.height, left : left + picture.width]
    noisy = np.asarray(picture) + scene.noise * window
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def draw(scene: Scene) -> Image.Image:
    """The scene as an RGB picture of its canvas's size; the same scene gives the same pixels."""
    canvas = scene.canvas
    size = canvas.width * OVERSAMPLING, canvas.height * OVERSAMPLING
    large = Image.new("RGB", size, BACKGROUNDS[scene.background])
    pen = ImageDraw.Draw(large)
    for item in scene.items:
        draw_item(pen, item, scene)
    picture = large.reduce(OVERSAMPLING)
    return add_noise(picture, scene) if scene.noise else picture
