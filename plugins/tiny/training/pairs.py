"""Pairs of scenes that differ in exactly one thing, or in none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from training.scenes import (
    CELLS,
    COLOURS,
    MOST_ITEMS,
    SHAPES,
    Canvas,
    Item,
    Scene,
    in_order,
    placed,
    random_item,
    random_scene,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two scenes; ``change`` says what differs, ``before`` and ``after`` are the item concerned, if any."""

    first: Scene
    second: Scene
    change: str
    before: Item | None = None
    after: Item | None = None


def with_items(scene: Scene, items: list[Item]) -> Scene:
    return replace(scene, items=in_order(items))


def others(scene: Scene, item: Item) -> list[Item]:
    return [one for one in scene.items if one is not item]


def swapped(scene: Scene, old: Item, new: Item, change: str) -> Pair:
    return Pair(scene, with_items(scene, [*others(scene, old), new]), change, old, new)


def recoloured(rng: Random, scene: Scene) -> Pair | None:
    if not scene.items:
        return None
    item = rng.choice(scene.items)
    colour = rng.choice([name for name in COLOURS if name != item.colour])
    return swapped(scene, item, replace(item, colour=colour), "colour")


def reshaped(rng: Random, scene: Scene) -> Pair | None:
    if not scene.items:
        return None
    item = rng.choice(scene.items)
    shape = rng.choice([name for name in SHAPES if name != item.shape])
    return swapped(scene, item, replace(item, shape=shape), "shape")


def new_item(rng: Random, scene: Scene) -> Item | None:
    """One more item in a free region, or None where there is no room."""
    free = [cell for cell in CELLS if scene.at(cell) is None]
    if len(scene.items) == MOST_ITEMS:
        return None
    return placed(rng, random_item(rng), rng.choice(free), scene.items, scene.canvas)


def added(rng: Random, scene: Scene) -> Pair | None:
    item = new_item(rng, scene)
    return None if item is None else Pair(scene, with_items(scene, [*scene.items, item]), "added", after=item)


def removed(rng: Random, scene: Scene) -> Pair | None:
    if not scene.items:
        return None
    item = rng.choice(scene.items)
    return Pair(scene, with_items(scene, others(scene, item)), "removed", before=item)


def moved(rng: Random, scene: Scene) -> Pair | None:
    """An item goes to another region; its look must be unique, or nobody could say which one went."""
    movable = [item for item in scene.items if scene.count(item.colour, item.shape) == 1]
    if not movable:
        return None
    item = rng.choice(movable)
    cell = rng.choice([cell for cell in CELLS if scene.at(cell) is None])
    there = placed(rng, item, cell, others(scene, item), scene.canvas)
    return None if there is None else swapped(scene, item, there, "moved")


def recounted(rng: Random, scene: Scene) -> Pair | None:
    """The second scene lacks, or has on top, at least two items."""
    if len(scene.items) < 3:
        return None
    kept = rng.sample(scene.items, rng.randint(1, len(scene.items) - 2))
    pair = (scene, with_items(scene, kept))
    first, second = pair if rng.random() < 0.5 else pair[::-1]
    return Pair(first, second, "count")


def unchanged(rng: Random, scene: Scene) -> Pair | None:
    return Pair(scene, scene, "same")


#: Every kind of change, with its maker; a maker returns None where the scene does not allow it.
CHANGES: dict[str, Callable[[Random, Scene], Pair | None]] = {
    "colour": recoloured,
    "shape": reshaped,
    "added": added,
    "removed": removed,
    "moved": moved,
    "count": recounted,
    "same": unchanged,
}


def random_pair(rng: Random, canvas: Canvas) -> Pair:
    """Draws scenes until one allows the change drawn first; the second picture has noise of its own."""
    make = CHANGES[rng.choice(tuple(CHANGES))]
    while True:
        pair = make(rng, random_scene(rng, canvas))
        if pair is not None:
            return replace(pair, second=replace(pair.second, grain=rng.getrandbits(30)))
