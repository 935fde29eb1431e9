"""What a family is asked about, and how it speaks of itself."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from training import conversations
from training.clips import Clip, random_clip
from training.conversations import Content
from training.families.description import TinyFamily
from training.pairs import Pair, random_pair
from training.phrases import KINDS, Question
from training.scenes import Scene, random_scene
from training.small_talk import ABILITIES, NAME

#: Kinds of question that only a clip raises.
ABOUT_CLIPS = ("event", "clip detail")
#: How often each kind of content is drawn; without clips, scenes take their share.
SCENES, PAIRS, CLIPS, NOTHING = 58, 25, 14, 3


def random_content(rng: Random, family: TinyFamily) -> Content | None:
    """Something to ask about, in the proportions of training; None: nothing is shown."""
    clips = CLIPS if family.pictures.frame_times else 0
    kind = rng.choices(("scene", "pair", "clip", "nothing"), (SCENES + CLIPS - clips, PAIRS, clips, NOTHING))[0]
    if kind == "nothing":
        return None
    canvas = rng.choice(family.pictures.canvases)
    if kind == "scene":
        return random_scene(rng, canvas)
    return random_pair(rng, canvas) if kind == "pair" else random_clip(rng, family.pictures.canvases[0])


def shown(family: TinyFamily, content: Content | None) -> tuple[Scene, ...]:
    """The pictures, or the frames of the clip, that are to be drawn."""
    if isinstance(content, Clip):
        times = family.pictures.frame_times
        return tuple(content.scene_at(time, content.still.grain + place) for place, time in enumerate(times))
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
    return tuple(kind for kind in KINDS if family.pictures.frame_times or kind not in ABOUT_CLIPS)
