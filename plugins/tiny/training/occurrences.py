"""Questions about a short clip."""

from __future__ import annotations

from random import Random

from training.clips import DIRECTIONS, Clip
from training.phrases import Question, indefinite, sentence, there_are, worded

DESCRIBE = (
    "Describe the video.",
    "Describe the video.",
    "Describe the {clip}.",
    "Describe this {clip}.",
    "Describe the {clip} in detail.",
    "What happens in the video?",
    "What happens in the {clip}?",
    "What happens in this {clip}?",
    "What happens?",
    "What is happening in the {clip}?",
    "What changes in the {clip}?",
    "What does the {clip} show?",
    "What do you see in the {clip}?",
)
WHICH_WAY = (
    "In which direction does the {thing} move?",
    "In what direction does the {thing} move?",
    "Which way does the {thing} move?",
    "Where does the {thing} move?",
)
COUNT = (
    "How many objects are there at the {end} of the {clip}?",
    "How many objects do you see at the {end}?",
)
CHANGES = (
    "Does anything change in the {clip}?",
    "Does anything change?",
    "Does anything happen in the {clip}?",
)

WAYS = {"right": "to the right", "left": "to the left", "up": "up", "down": "down"}


def event_answer(clip: Clip) -> str:
    name = clip.actor.name
    if clip.event in DIRECTIONS:
        return f"The {name} moves {WAYS[clip.event]}."
    if clip.event == "nothing":
        return "Nothing changes."
    if clip.event == "appears":
        return sentence(f"{indefinite(name)} appears")
    if clip.event == "turns":
        return f"The {name} turns {clip.finish.colour}."
    return f"The {name} {clip.event}."


def event(rng: Random, clip: Clip) -> Question:
    return Question("event", worded(rng, DESCRIBE), event_answer(clip))


def direction(rng: Random, clip: Clip) -> Question | None:
    if clip.event not in DIRECTIONS:
        return None
    text = worded(rng, WHICH_WAY, {"thing": clip.actor.name})
    return Question("clip detail", text, f"It moves {WAYS[clip.event]}.")


def count(rng: Random, clip: Clip) -> Question:
    end, time = rng.choice((("start", 0.0), ("end", 1.0)))
    items = clip.scene_at(time, 0).items
    return Question("clip detail", worded(rng, COUNT, {"end": end}), f"{there_are(len(items), 'object')} at the {end}.")


def changes(rng: Random, clip: Clip) -> Question:
    answer = "No, nothing changes." if clip.event == "nothing" else f"Yes. {event_answer(clip)}"
    return Question("clip detail", worded(rng, CHANGES), answer)


def random_question(rng: Random, clip: Clip) -> Question:
    """A question on a clip, most often what happens."""
    while True:
        question = rng.choices((event, direction, count, changes), (6, 2, 2, 1))[0](rng, clip)
        if question is not None:
            return question
