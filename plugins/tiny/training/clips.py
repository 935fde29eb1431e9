"""Short clips: one item does something, the others keep still."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from training.scenes import (
    BACKGROUNDS,
    CELLS,
    COLOURS,
    GAP,
    Canvas,
    Item,
    Scene,
    clear,
    in_order,
    placed,
    random_item,
)

#: Frames that a clip is read as.
FRAMES = 8
#: Frames a second in the file of a clip.
PER_SECOND = 8

#: The two ends of each movement, as (dx, dy) signs.
DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}

#: Everything that can happen in a clip.
EVENTS = (*DIRECTIONS, "appears", "disappears", "turns", "grows", "shrinks", "nothing")

#: Shortest way that a moving item goes, as a share of the side.
SHORTEST_WAY = 0.35
#: Least and most that a growing item's size is multiplied by.
LEAST_GROWTH, MOST_GROWTH = 1.7, 2.2


@dataclass(frozen=True, slots=True)
class Clip:
    """``actor``: as it starts, ``finish``: as it ends, ``moment`` in [0, 1]: when a sudden event comes."""

    still: Scene
    actor: Item
    finish: Item
    event: str
    moment: float

    def actor_at(self, time: float) -> Item | None:
        """The actor at ``time`` (0: start, 1: end), or None while it is not there."""
        late = time >= self.moment
        if self.event in ("appears", "disappears"):
            return self.actor if late == (self.event == "appears") else None
        if self.event == "turns":
            return self.finish if late else self.actor
        return between(self.actor, self.finish, time)

    def scene_at(self, time: float, grain: int) -> Scene:
        """What is seen at ``time``, with noise of its own."""
        actor = self.actor_at(time)
        items = self.still.items if actor is None else in_order([*self.still.items, actor])
        return replace(self.still, items=items, grain=grain)

    def frames(self, count: int = FRAMES) -> list[Scene]:
        """``count`` scenes, each in the middle of an equal stretch of the clip."""
        return [self.scene_at((i + 0.5) / count, self.still.grain + i) for i in range(count)]


def between(one: Item, other: Item, share: float) -> Item:
    """The item on its straight way from ``one`` to ``other``, in place and size."""
    x, y, size = ((1 - share) * a + share * b for a, b in ((one.x, other.x), (one.y, other.y), (one.size, other.size)))
    return replace(one, x=x, y=y, size=size)


def random_way(rng: Random, half: float) -> tuple[float, float]:
    """Start and end, rising, of a movement along one axis for a box of this half length."""
    low, high = half + GAP, 1 - half - GAP
    length = rng.uniform(SHORTEST_WAY, high - low)
    start = rng.uniform(low, high - length)
    return start, start + length


def moving(rng: Random, actor: Item, event: str, canvas: Canvas) -> tuple[Item, Item]:
    across, down = DIRECTIONS[event]
    side = canvas.width if across else canvas.height
    way = random_way(rng, actor.size / 2 * canvas.short / side)
    start, end = way if across + down > 0 else way[::-1]
    if across:
        return replace(actor, x=start), replace(actor, x=end)
    return replace(actor, y=start), replace(actor, y=end)


def growing(rng: Random, actor: Item, canvas: Canvas) -> tuple[Item, Item]:
    """Small and large, both moved to where the large one does not stick out of the picture."""
    small = replace(actor, size=rng.uniform(0.16, 0.2))
    size = small.size * rng.uniform(LEAST_GROWTH, MOST_GROWTH)
    half_x, half_y = (size / 2 * canvas.short / side + GAP for side in (canvas.width, canvas.height))
    x, y = min(max(small.x, half_x), 1 - half_x), min(max(small.y, half_y), 1 - half_y)
    return replace(small, x=x, y=y), replace(small, x=x, y=y, size=size)


def course(rng: Random, actor: Item, event: str, canvas: Canvas) -> tuple[Item, Item]:
    """The actor at the start and at the end of the event."""
    if event in DIRECTIONS:
        return moving(rng, actor, event, canvas)
    if event in ("grows", "shrinks"):
        small, large = growing(rng, actor, canvas)
        return (small, large) if event == "grows" else (large, small)
    if event == "turns":
        colour = rng.choice([name for name in COLOURS if name != actor.colour])
        return actor, replace(actor, colour=colour)
    return actor, actor


def still_items(rng: Random, path: list[Item], canvas: Canvas) -> list[Item]:
    """Up to two items that never touch the actor and do not look like it at any time."""
    names = {item.name for item in path}
    items: list[Item] = []
    for cell in rng.sample(CELLS, rng.choice((0, 1, 1, 2))):
        item = placed(rng, random_item(rng), cell, items, canvas)
        if item is not None and item.name not in names and clear(item, path, canvas):
            items.append(item)
    return items


def random_clip(rng: Random, canvas: Canvas) -> Clip:
    """A clip of a random event; a function of the generator's state and the canvas alone."""
    event = rng.choice(EVENTS)
    placed_actor = placed(rng, random_item(rng), rng.choice(CELLS), [], canvas)
    actor, finish = course(rng, placed_actor or random_item(rng), event, canvas)
    path = [between(actor, finish, i / 16) for i in range(17)] + [finish]
    items = in_order(still_items(rng, path, canvas))
    noise = rng.choice((0.0, rng.uniform(0, 8)))
    still = Scene(canvas, rng.choice(tuple(BACKGROUNDS)), items, rng.getrandbits(30), noise)
    return Clip(still, actor, finish, event, rng.uniform(0.2, 0.8))
