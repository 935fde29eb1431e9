"""What a family is asked about, and how it speaks of itself."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from training import conversations
from training.clips import Clip
from training.conversations import Content
from training.families.description import TinyFamily
from training.families.recordings import RecordedClip, recorded_clip
from training.pairs import Pair, random_pair
from training.phrases import KINDS, Question
from training.scenes import Scene, random_scene
from training.small_talk import ABILITIES, NAME

#: Kinds of question that only a clip raises.
ABOUT_CLIPS = ("event", "clip detail")
#: How often each kind of content is drawn, of a hundred; clips take their share from scenes.
SCENES, PAIRS, NOTHING = 72, 25, 3


def random_content(rng: Random, family: TinyFamily) -> Content | None:
    """Something to ask about, in the proportions of training; None: nothing is shown."""
    clips = family.pictures.clips
    kind = rng.choices(("scene", "pair", "clip", "nothing"), (SCENES - clips, PAIRS, clips, NOTHING))[0]
    if kind == "nothing":
        return None
    canvas = rng.choice(family.pictures.canvases)
    if kind == "scene":
        return random_scene(rng, canvas)
    if kind == "pair":
        return random_pair(rng, canvas)
    return recorded_clip(rng, rng.choice(family.pictures.recordings))


def shown(content: Content | None) -> tuple[Scene, ...]:
    """The pictures, or the frames of the clip, that are to be drawn.

    :raises ValueError: a clip of which nobody knows how it is recorded.
    """
    if isinstance(content, RecordedClip):
        return content.seen
    if isinstance(content, Clip):
        raise ValueError("Clips of families are recorded ones.")
    if isinstance(content, Pair):
        return content.first, content.second
    return () if content is None else (content,)


def asked(rng: Random, family: TinyFamily, content: Content | None) -> list[tuple[Question, ...]]:
    """Conversations about a content, the answers in the family's own words."""
    return [tuple(spoken(family, turn) for turn in turns) for turns in conversations.conversations(rng, content)]


def spoken(family: TinyFamily, question: Question) -> Question:
    """The answer with the model's own name and abilities."""
    answer = family.talk.abilities if question.answer == ABILITIES else question.answer.replace(NAME, family.name)
    return replace(question, answer=answer)


def kinds(family: TinyFamily) -> tuple[str, ...]:
    """The kinds of question that the family is asked."""
    return tuple(kind for kind in KINDS if family.pictures.recordings or kind not in ABOUT_CLIPS)
