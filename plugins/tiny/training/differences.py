"""Questions about two pictures."""

from __future__ import annotations

from random import Random

from training.pairs import Pair
from training.phrases import PLACES, Question, counted, placed_name, sentence, worded
from training.scenes import Item

DIFFERENCE = (
    "What is the difference bewteen the two images?",
    "What is the difference between the two images?",
    "What is the difference between the two {pictures}?",
    "What is the difference between the {pictures}?",
    "What is different between the two {pictures}?",
    "What is different in the second {picture}?",
    "What changed between the two {pictures}?",
    "What has changed?",
    "How do the two {pictures} differ?",
    "Compare the two {pictures}.",
    "Find the difference.",
    "Spot the difference.",
    "Describe the difference between the two {pictures}.",
)
SAME = (
    "Are the two {pictures} the same?",
    "Are the {pictures} the same?",
    "Are the two {pictures} identical?",
    "Do the two {pictures} show the same?",
)
COUNT = (
    "How many objects are in the {nth} {picture}?",
    "How many objects are there in the {nth} {picture}?",
    "How many objects does the {nth} {picture} show?",
)
MORE = (
    "Which {picture} has more objects?",
    "Which of the two {pictures} has more objects?",
    "Which {picture} shows more objects?",
)
ORDINALS = ("first", "second")


def sized(count: int) -> str:
    return counted(count, "object")


def told(before: Item | None, after: Item | None, change: str) -> str:
    """The sentence for a change that concerns one item."""
    if before is None or after is None:
        item, nth = (before, "first") if before else (after, "second")
        return sentence(f"only the {nth} image shows {placed_name(item)}") if item else ""
    place = PLACES[before.cell]
    if change == "colour":
        colours = f"{before.colour} in the first image and {after.colour} in the second"
        return f"The {before.shape} {place} is {colours}."
    if change == "shape":
        return f"The {before.colour} {before.shape} {place} is a {after.shape} in the second image."
    return f"The {before.name} is {place} in the first image and {PLACES[after.cell]} in the second."


def difference_answer(pair: Pair) -> str:
    if pair.change == "same":
        return "There is no difference, the two images are the same."
    if pair.change == "count":
        first, second = (sized(len(scene.items)) for scene in (pair.first, pair.second))
        return f"The first image shows {first} and the second shows {second}."
    return told(pair.before, pair.after, pair.change)


def difference(rng: Random, pair: Pair) -> Question:
    return Question("difference", worded(rng, DIFFERENCE), difference_answer(pair))


def same(rng: Random, pair: Pair) -> Question:
    answer = "Yes, they are the same." if pair.change == "same" else "No, they are different."
    return Question("comparison", worded(rng, SAME), answer)


def count_one(rng: Random, pair: Pair) -> Question:
    index = rng.randrange(2)
    items = (pair.first, pair.second)[index].items
    verb = "is" if len(items) == 1 else "are"
    answer = f"There {verb} {sized(len(items))} in the {ORDINALS[index]} image."
    return Question("comparison", worded(rng, COUNT, {"nth": ORDINALS[index]}), answer)


def more(rng: Random, pair: Pair) -> Question:
    first, second = len(pair.first.items), len(pair.second.items)
    answer = f"The {'first' if first > second else 'second'} image has more objects."
    return Question(
        "comparison",
        worded(rng, MORE),
        "Both images have the same number of objects." if first == second else answer,
    )


def random_question(rng: Random, pair: Pair) -> Question:
    """A question on two pictures, most often what differs."""
    return rng.choices((difference, same, count_one, more), (6, 1, 1, 1))[0](rng, pair)
