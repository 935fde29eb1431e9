"""Scenes of coloured shapes: what a picture holds, before it is drawn.

A scene lies on a 3 x 3 grid of regions, at most one item in each. Every item's centre keeps clear of the
borders between regions, and no two items overlap, so that what can be said about a scene is true or false.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

#: Shapes that a scene can hold.
SHAPES = ("circle", "square", "triangle", "star", "cross", "diamond")

#: Names of colours and their RGB values; an item's shade strays from them by at most ``SHADE_SPREAD``.
COLOURS = {
    "red": (214, 38, 38),
    "orange": (244, 130, 26),
    "yellow": (242, 212, 40),
    "green": (38, 158, 70),
    "blue": (36, 82, 206),
    "purple": (128, 52, 166),
    "pink": (240, 128, 182),
    "black": (26, 26, 28),
}

#: Names of backgrounds and their RGB values.
BACKGROUNDS = {"white": (248, 248, 248), "gray": (176, 178, 182), "beige": (238, 222, 190)}

#: Most items that one scene holds.
MOST_ITEMS = 6

SHADE_SPREAD = 10
GRID = 3
#: An item's bounding box, as a share of the picture's shorter side.
SMALLEST, LARGEST = 0.20, 0.31
#: How far a centre may stray from the middle of its region, as a share of the side (half a region is 0.167).
STRAY = 0.12
#: Clear space around a bounding box, as a share of the shorter side.
GAP = 0.02

Shade = tuple[int, int, int]
Cell = tuple[int, int]
CELLS: tuple[Cell, ...] = tuple((row, column) for row in range(GRID) for column in range(GRID))


@dataclass(frozen=True, slots=True)
class Canvas:
    """Width and height of a picture, in pixels."""

    width: int
    height: int

    @property
    def short(self) -> int:
        return min(self.width, self.height)


@dataclass(frozen=True, slots=True)
class Item:
    """One shape: its centre (shares of width and height) and its box's size (share of the shorter side)."""

    shape: str
    colour: str
    x: float
    y: float
    size: float
    shade: Shade = (0, 0, 0)

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    @property
    def cell(self) -> Cell:
        """Row and column of the region that the centre lies in."""
        return min(int(self.y * GRID), GRID - 1), min(int(self.x * GRID), GRID - 1)


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture's items, row by row; ``grain`` seeds the noise, ``noise`` is its strength (0-255)."""

    canvas: Canvas
    background: str
    items: tuple[Item, ...]
    grain: int = 0
    noise: float = 0.0

    def at(self, cell: Cell) -> Item | None:
        return next((item for item in self.items if item.cell == cell), None)

    def count(self, colour: str | None = None, shape: str | None = None) -> int:
        """How many items have this colour and this shape (``None``: any)."""
        return sum(colour in (None, item.colour) and shape in (None, item.shape) for item in self.items)


def in_order(items: Sequence[Item]) -> tuple[Item, ...]:
    """Row by row, left to right: the order in which a scene is described."""
    return tuple(sorted(items, key=lambda item: item.cell))


def overlap(one: Item, other: Item, canvas: Canvas) -> bool:
    """Whether two bounding boxes come closer than ``GAP``."""
    reach = ((one.size + other.size) / 2 + GAP) * canvas.short
    return abs(one.x - other.x) * canvas.width < reach and abs(one.y - other.y) * canvas.height < reach


def clear(item: Item, others: Sequence[Item], canvas: Canvas) -> bool:
    return not any(overlap(item, other, canvas) for other in others)


def random_centre(rng: Random, index: int, half: float) -> float:
    """A coordinate in region ``index`` of an axis, for a box of this half length on it."""
    middle = (index + 0.5) / GRID
    low, high = max(middle - STRAY, half + GAP), min(middle + STRAY, 1 - half - GAP)
    return rng.uniform(low, high)


def placed(rng: Random, item: Item, cell: Cell, others: Sequence[Item], canvas: Canvas) -> Item | None:
    """The item somewhere in this region, clear of the others, or None where a few tries found no room."""
    reach = item.size / 2 * canvas.short
    for _ in range(15):
        y = random_centre(rng, cell[0], reach / canvas.height)
        x = random_centre(rng, cell[1], reach / canvas.width)
        there = replace(item, x=x, y=y)
        if clear(there, others, canvas):
            return there
    return None


def random_item(rng: Random, colours: Sequence[str] = tuple(COLOURS), shapes: Sequence[str] = SHAPES) -> Item:
    """An item of a random look, not placed yet (it lies in the middle)."""
    red, green, blue = (rng.randint(-SHADE_SPREAD, SHADE_SPREAD) for _ in range(3))
    size = rng.uniform(SMALLEST, LARGEST)
    return Item(rng.choice(shapes), rng.choice(colours), 0.5, 0.5, size, (red, green, blue))


def random_items(rng: Random, count: int) -> list[Item]:
    """Items to place; often of few colours and shapes, so that they repeat and counting means something."""
    few = rng.random() < 0.35
    colours = rng.sample(tuple(COLOURS), rng.randint(1, 2) if few else len(COLOURS))
    shapes = rng.sample(SHAPES, rng.randint(1, 2) if few else len(SHAPES))
    return [random_item(rng, colours, shapes) for _ in range(count)]


def random_canvas(rng: Random, tile: int, tiled: bool) -> Canvas:
    """A picture size: near one tile of ``tile`` pixels, or one that dynamic tiling cuts into several."""
    if not tiled:
        width = rng.choice((tile, tile, tile, rng.randint(tile * 3 // 4, tile * 5 // 4)))
        height = rng.choice(
            (width, rng.randint(max(tile * 3 // 4, width * 3 // 4), min(tile * 5 // 4, width * 4 // 3)))
        )
        return Canvas(width, height)
    ratio = rng.choice((1.0, 1.0, 4 / 3, 3 / 4, 1.5, 2 / 3, 16 / 9, 9 / 16, 2.0, 0.5, math.exp(rng.uniform(-1.1, 1.1))))
    short = rng.randint(tile * 3 // 2, tile * 9 // 4) if 0.6 < ratio < 1.6 else rng.randint(tile, tile * 3 // 2)
    return Canvas(round(short * max(ratio, 1.0)), round(short * max(1 / ratio, 1.0)))


def random_scene(rng: Random, canvas: Canvas) -> Scene:
    """Nothing to ``MOST_ITEMS`` items; a function of the generator's state and the canvas alone."""
    wanted = rng.choices(range(MOST_ITEMS + 1), (2, 5, 6, 6, 6, 7, 8))[0]
    items: list[Item] = []
    for cell, unplaced in zip(rng.sample(CELLS, wanted), random_items(rng, wanted), strict=True):
        smaller = replace(unplaced, size=SMALLEST)
        item = placed(rng, unplaced, cell, items, canvas) or placed(rng, smaller, cell, items, canvas)
        if item is not None:
            items.append(item)
    noise = rng.choice((0.0, rng.uniform(0, 8)))
    return Scene(canvas, rng.choice(tuple(BACKGROUNDS)), in_order(items), rng.getrandbits(30), noise)
