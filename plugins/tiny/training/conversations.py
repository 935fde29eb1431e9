"""What is asked about: a scene, a pair, a clip or nothing, and the conversations that can be had about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import TypeAlias, TypeVar

from training import differences, occurrences, questions, small_talk
from training.clips import Clip, random_clip
from training.pairs import Pair, random_pair
from training.phrases import Question
from training.scenes import Canvas, Scene, random_canvas, random_scene
from training.tiles import TILE

#: Sizes of clips, as width and height.
CLIP_CANVASES = (
    Canvas(TILE, TILE),
    Canvas(TILE, TILE),
    Canvas(TILE * 4 // 3, TILE),
    Canvas(TILE * 16 // 9, TILE),
    Canvas(TILE, TILE * 4 // 3),
)

#: What can be drawn.
Content: TypeAlias = "Scene | Pair | Clip"
#: Questions that follow each other, each with its right answer.
Conversation: TypeAlias = Sequence[Question]
T = TypeVar("T")


def random_content(rng: Random) -> Content | None:
    """Something to ask about, in the proportions of training; None: nothing is shown."""
    kind = rng.choices(("scene", "pair", "clip", "nothing"), (58, 25, 14, 3))[0]
    if kind == "scene":
        return random_scene(rng, random_canvas(rng, TILE, rng.random() < 0.3))
    if kind == "pair":
        return random_pair(rng, random_canvas(rng, TILE, rng.random() < 0.25))
    return random_clip(rng, rng.choice(CLIP_CANVASES)) if kind == "clip" else None


def scene_questions(rng: Random, scene: Scene) -> list[Conversation]:
    asked: list[Conversation] = [(questions.random_question(rng, scene),) for _ in range(6)]
    follow_up = questions.follow_up(rng, scene)
    asked += [follow_up] if follow_up and rng.random() < 0.4 else []
    asked += [two_turns(rng, questions.random_question, scene)] if rng.random() < 0.2 else []
    return asked


def pair_questions(rng: Random, pair: Pair) -> list[Conversation]:
    asked: list[Conversation] = [(differences.difference(rng, pair),)]
    asked += [(differences.random_question(rng, pair),) for _ in range(2)]
    asked += [two_turns(rng, differences.random_question, pair)] if rng.random() < 0.15 else []
    return asked


def clip_questions(rng: Random, clip: Clip) -> list[Conversation]:
    asked: list[Conversation] = [(occurrences.event(rng, clip),)]
    asked += [(occurrences.random_question(rng, clip),) for _ in range(2)]
    asked += [two_turns(rng, occurrences.random_question, clip)] if rng.random() < 0.15 else []
    return asked


def two_turns(rng: Random, ask: Callable[[Random, T], Question], content: T) -> tuple[Question, Question]:
    """Two questions in a row; the second counts as a follow-up."""
    return ask(rng, content), replace(ask(rng, content), kind="follow-up")


def talk(rng: Random) -> Question:
    return small_talk.identity(rng) if rng.random() < 0.6 else small_talk.chat(rng)


def conversations(rng: Random, content: Content | None) -> list[Conversation]:
    """Conversations about this content, now and then one about the model itself."""
    if content is None:
        return [(talk(rng),) for _ in range(4)] + [(talk(rng), talk(rng))]
    extra = [(talk(rng),)] if rng.random() < 0.12 else []
    if isinstance(content, Scene):
        return scene_questions(rng, content) + extra
    return (pair_questions(rng, content) if isinstance(content, Pair) else clip_questions(rng, content)) + extra
