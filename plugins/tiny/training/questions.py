"""Questions about one picture, each with the only right answer.

A maker takes a scene and returns a question, or None where the scene gives no unambiguous one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from training import wordings
from training.phrases import (
    PLACES,
    Question,
    askable,
    described,
    indefinite,
    plural,
    references,
    sentence,
    there_are,
    worded,
)
from training.scenes import CELLS, COLOURS, SHAPES, Cell, Item, Scene

Maker = Callable[[Random, Scene], Question | None]

#: Ways to say each side, the first one used in answers.
SIDES = {
    "left": ("to the left of", "left of", "on the left of"),
    "right": ("to the right of", "right of", "on the right of"),
    "above": ("above", "above", "over"),
    "below": ("below", "below", "under"),
}
YES, NO = "Yes, it is.", "No, it is not."


def unique_items(scene: Scene) -> list[Item]:
    return [item for item in scene.items if references(scene, item)]


def only_with(scene: Scene, values: Sequence[str], field: str) -> list[str]:
    """The colours (or shapes) that exactly one item has."""
    return [value for value in values if sum(getattr(item, field) == value for item in scene.items) == 1]


def occupied(scene: Scene) -> list[Item]:
    """Items that a region's name points out."""
    return [item for item in scene.items if askable(scene, item.cell)]


def missing(rng: Random, scene: Scene, values: Sequence[str], field: str) -> str:
    """A colour (or shape) that no item has; the first one where all are used."""
    used = {getattr(item, field) for item in scene.items}
    return rng.choice([value for value in values if value not in used] or [values[0]])


def description(rng: Random, scene: Scene) -> Question:
    return Question("description", worded(rng, wordings.DESCRIBE), described(scene))


def shape_of(rng: Random, scene: Scene) -> Question | None:
    colours = only_with(scene, tuple(COLOURS), "colour")
    if not colours:
        return None
    colour = rng.choice(colours)
    shape = next(item.shape for item in scene.items if item.colour == colour)
    return Question(
        "shape",
        worded(rng, wordings.SHAPE_OF, {"colour": colour}),
        f"The {colour} object is {indefinite(shape)}.",
    )


def shape_at(rng: Random, scene: Scene) -> Question | None:
    items = occupied(scene)
    if not items:
        return None
    item = rng.choice(items)
    return Question(
        "shape",
        worded(rng, wordings.SHAPE_AT, {"place": PLACES[item.cell]}),
        f"It is {indefinite(item.shape)}.",
    )


def thing_at(rng: Random, scene: Scene) -> Question:
    cells: list[Cell] = [cell for cell in CELLS if askable(scene, cell)]
    item = rng.choice(occupied(scene)) if occupied(scene) and rng.random() < 0.8 else None
    cell = item.cell if item else rng.choice(cells)
    found = scene.at(cell)
    answer = sentence(indefinite(found.name)) if found else f"There is nothing {PLACES[cell]}."
    return Question("position", worded(rng, wordings.THING_AT, {"place": PLACES[cell]}), answer)


def colour_of(rng: Random, scene: Scene) -> Question | None:
    shapes = only_with(scene, SHAPES, "shape")
    if not shapes or rng.random() < 0.08:
        return absent_colour(rng, scene)
    shape = rng.choice(shapes)
    colour = next(item.colour for item in scene.items if item.shape == shape)
    return Question("colour", worded(rng, wordings.COLOUR_OF, {"shape": shape}), f"The {shape} is {colour}.")


def absent_colour(rng: Random, scene: Scene) -> Question | None:
    """Asks for the colour of something that is not there."""
    shape = missing(rng, scene, SHAPES, "shape")
    if scene.count(shape=shape):
        return None
    return Question("colour", worded(rng, wordings.COLOUR_OF, {"shape": shape}), f"There is no {shape}.")


def colour_at(rng: Random, scene: Scene) -> Question | None:
    items = occupied(scene)
    if not items:
        return None
    item = rng.choice(items)
    return Question("colour", worded(rng, wordings.COLOUR_AT, {"place": PLACES[item.cell]}), f"It is {item.colour}.")


def background(rng: Random, scene: Scene) -> Question:
    return Question("colour", worded(rng, wordings.BACKGROUND), f"The background is {scene.background}.")


def count_all(rng: Random, scene: Scene) -> Question:
    things = rng.choice(("objects", "objects", "shapes"))
    return Question(
        "count",
        worded(rng, wordings.COUNT, {"things": things}),
        f"{there_are(len(scene.items), things[:-1])}.",
    )


def count_some(rng: Random, scene: Scene) -> Question:
    """Counts a shape or a colour; mostly one that is there."""
    field, values = rng.choice((("shape", SHAPES), ("colour", tuple(COLOURS))))
    there = scene.items and rng.random() < 0.85
    value: str = getattr(rng.choice(scene.items), field) if there else missing(rng, scene, values, field)
    noun = value if field == "shape" else f"{value} object"
    count = scene.count(shape=value) if field == "shape" else scene.count(colour=value)
    return Question("count", worded(rng, wordings.COUNT, {"things": plural(noun)}), f"{there_are(count, noun)}.")


def naming(rng: Random, colour: str, shape: str) -> tuple[str, str | None, str | None]:
    """A name by look, by shape or by colour, and what it asks for."""
    return rng.choice(
        (
            (f"{colour} {shape}", colour, shape),
            (shape, None, shape),
            (f"{colour} object", colour, None),
        )
    )


def absent(rng: Random, scene: Scene) -> str:
    """The name of something that is not there; often it shares a colour or a shape with what is."""
    while True:
        item = rng.choice(scene.items) if scene.items else None
        colour = item.colour if item and rng.random() < 0.4 else rng.choice(tuple(COLOURS))
        shape = item.shape if item and rng.random() < 0.4 else rng.choice(SHAPES)
        name, *look = naming(rng, colour, shape)
        if not scene.count(*look):
            return name


def existence(rng: Random, scene: Scene) -> Question:
    """Half of the things asked for are there."""
    there = bool(scene.items) and rng.random() < 0.52
    item = rng.choice(scene.items) if there else None
    name = naming(rng, item.colour, item.shape)[0] if item else absent(rng, scene)
    text = worded(rng, wordings.EXISTS, {"thing": indefinite(name)})
    return Question("existence", text, "Yes, there is." if item else "No, there is not.")


def where(rng: Random, scene: Scene) -> Question | None:
    items = unique_items(scene)
    if not items:
        return None
    item = rng.choice(items)
    name = rng.choice(references(scene, item))
    return Question("position", worded(rng, wordings.WHERE, {"thing": name}), f"The {name} is {PLACES[item.cell]}.")


def sides(one: Item, other: Item) -> list[str]:
    """On which sides of ``other`` the item ``one`` lies: by column and by row."""
    (row, column), (other_row, other_column) = one.cell, other.cell
    across = "left" if column < other_column else "right"
    along = "above" if row < other_row else "below"
    return [across] * (column != other_column) + [along] * (row != other_row)


def two_items(rng: Random, scene: Scene) -> tuple[Item, Item] | None:
    items = unique_items(scene)
    if len(items) < 2:
        return None
    one, other = rng.sample(items, 2)
    return one, other


def compared(rng: Random, scene: Scene) -> Question | None:
    """Does one item lie on this side of another? Never asked along an axis on which they are level."""
    items = two_items(rng, scene)
    if items is None:
        return None
    true = rng.choice(sides(*items))
    asked = rng.choice((true, {"left": "right", "right": "left", "above": "below", "below": "above"}[true]))
    one, other = (rng.choice(references(scene, item)) for item in items)
    slots = {"one": one, "other": other, "side": rng.choice(SIDES[asked])}
    return Question("relation", worded(rng, wordings.COMPARED, slots), YES if asked == true else NO)


def relative(rng: Random, scene: Scene) -> Question | None:
    """Where one item lies from another, for items of one row or one column."""
    items = two_items(rng, scene)
    if items is None or len(sides(*items)) != 1:
        return None
    one, other = (rng.choice(references(scene, item)) for item in items)
    answer = f"The {one} is {SIDES[sides(*items)[0]][0]} the {other}."
    return Question("relation", worded(rng, wordings.RELATIVE, {"one": one, "other": other}), answer)


#: Makers of questions on one picture, with how often each is drawn.
MAKERS: dict[Maker, int] = {
    description: 3,
    shape_of: 2,
    shape_at: 1,
    thing_at: 3,
    colour_of: 2,
    colour_at: 1,
    background: 1,
    count_all: 2,
    count_some: 3,
    existence: 2,
    where: 4,
    compared: 6,
    relative: 5,
}


def random_question(rng: Random, scene: Scene) -> Question:
    """A question that this scene allows."""
    while True:
        question = rng.choices(tuple(MAKERS), tuple(MAKERS.values()))[0](rng, scene)
        if question is not None:
            return question


def follow_up(rng: Random, scene: Scene) -> tuple[Question, ...]:
    """A question on one item, then one that leans on it (``Where is it?``); empty where none is unique."""
    items = [item for item in scene.items if scene.count(shape=item.shape) == 1]
    if not items:
        return ()
    item = rng.choice(items)
    first = Question(
        "colour",
        worded(rng, wordings.COLOUR_OF, {"shape": item.shape}),
        f"The {item.shape} is {item.colour}.",
    )
    second = rng.choice(("Where is it?", "And where is it?", "Where is it in the image?"))
    others = [other for other in items if other is not item]
    if others and rng.random() < 0.5:
        other = rng.choice(others)
        asked = rng.choice((f"And the {other.shape}?", f"What about the {other.shape}?"))
        return first, Question("follow-up", asked, f"The {other.shape} is {other.colour}.")
    return first, Question("follow-up", second, f"It is {PLACES[item.cell]}.")
