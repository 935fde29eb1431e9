"""English for scenes: names, numbers, places, and picking one wording of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from training.scenes import Cell, Item, Scene

#: Kinds of question, as accuracies are reported.
KINDS = (
    "shape", "colour", "count", "existence", "position", "relation", "description",
    "difference", "comparison", "event", "clip detail", "identity", "chat", "follow-up",
)  # fmt: skip

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")

#: How each region is named, with its preposition.
PLACES: Mapping[Cell, str] = {
    (0, 0): "at the top left",
    (0, 1): "at the top",
    (0, 2): "at the top right",
    (1, 0): "on the left",
    (1, 1): "in the center",
    (1, 2): "on the right",
    (2, 0): "at the bottom left",
    (2, 1): "at the bottom",
    (2, 2): "at the bottom right",
}

#: Words with one meaning; a wording picks one of each.
SYNONYMS = {
    "picture": ("image", "image", "picture"),
    "pictures": ("images", "images", "pictures"),
    "color": ("color", "colour"),
    "clip": ("video", "video", "clip"),
    "objects": ("objects", "shapes"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its one right answer, and the kind it counts as."""

    kind: str
    text: str
    answer: str


def worded(rng: Random, templates: Sequence[str], slots: Mapping[str, str] | None = None) -> str:
    """One of the templates, its ``{slots}`` filled in, synonyms picked.

    :raises KeyError: a template names a slot that is neither given nor a synonym.
    """
    words = {name: rng.choice(choices) for name, choices in SYNONYMS.items()}
    return rng.choice(templates).format_map({**words, **(slots or {})})


def casual(rng: Random, question: Question) -> Question:
    """The same question as people type it: at times without a capital or without its last mark."""
    text = question.text
    if rng.random() < 0.08:
        text = text[0].lower() + text[1:]
    if rng.random() < 0.08:
        text = text.rstrip("?.!")
    return replace(question, text=text)


def indefinite(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def plural(noun: str) -> str:
    return noun + ("es" if noun.endswith("s") else "s")


def counted(count: int, noun: str) -> str:
    """``no circles``, ``one circle``, ``two circles``."""
    return f"{NUMBERS[count]} {noun if count == 1 else plural(noun)}"


def there_are(count: int, noun: str) -> str:
    return f"There {'is' if count == 1 else 'are'} {counted(count, noun)}"


def listed(parts: Sequence[str]) -> str:
    """``a``; ``a and b``; ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def placed_name(item: Item) -> str:
    """``a red circle at the top left``."""
    return f"{indefinite(item.name)} {PLACES[item.cell]}"


def described(scene: Scene) -> str:
    """The full description, every item in order."""
    ground = f"on a {scene.background} background"
    if not scene.items:
        return f"The image shows an empty {scene.background} background."
    listing = listed([placed_name(item) for item in scene.items])
    return f"The image shows {counted(len(scene.items), 'object')} {ground}: {listing}."


def references(scene: Scene, item: Item) -> tuple[str, ...]:
    """Every name that fits this item alone: ``red circle``, ``circle``, ``red object``; perhaps none."""
    ways = (
        (item.colour, item.shape, item.name),
        (None, item.shape, item.shape),
        (item.colour, None, f"{item.colour} object"),
    )
    return tuple(name for colour, shape, name in ways if scene.count(colour, shape) == 1)


def askable(scene: Scene, cell: Cell) -> bool:
    """Whether a region's name is clear: a bare side (``on the left``) must be all there is on that side."""
    if cell == (1, 1) or 1 not in cell:
        return True
    axis = 0 if cell[1] == 1 else 1
    return all(item.cell == cell or item.cell[axis] != cell[axis] for item in scene.items)
