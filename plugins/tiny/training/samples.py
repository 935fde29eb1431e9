"""What the model is trained on: pictures, and questions about them in official prompts.

A sample is a tree: one shared beginning (system text, pictures) and several branches that go on from there
without seeing each other. Each branch reads exactly like a conversation of its own, so one look at the
pictures serves many questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from training import differences, occurrences, questions, small_talk
from training.clips import FRAMES, Clip, random_clip
from training.drawing import draw
from training.pairs import Pair, random_pair
from training.phrases import Question, casual
from training.prompts import ASSISTANT, SYSTEM, USER, system_block
from training.scenes import Canvas, Scene, random_canvas, random_scene
from training.tiles import TILE, Tiles, tiles_of

#: System texts; the official one nine times of ten.
SYSTEMS = (
    SYSTEM,
    "",
    "You are a helpful assistant.",
    "Answer briefly.",
    "You are a helpful assistant that describes pictures.",
)

#: What stands before the question where pictures come first.
ONE_PICTURE = ("<image>\n", "<image>\n", "<image>\n", "<image>")
TWO_PICTURES = (
    "<image>\n<image>\n",
    "<image>\n<image>\n",
    "<image><image>",
    "Image-1: <image>\nImage-2: <image>\n",
)
CLIP_FRAMES = "".join(f"Frame{i}: <image>\n" for i in range(1, FRAMES + 1))

#: Sizes of clips, as width and height.
CLIP_CANVASES = (
    Canvas(TILE, TILE),
    Canvas(TILE, TILE),
    Canvas(TILE * 4 // 3, TILE),
    Canvas(TILE * 16 // 9, TILE),
    Canvas(TILE, TILE * 4 // 3),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What one sample is about, drawn: a scene, a pair, a clip, or nothing; the tiles of each picture."""

    content: Scene | Pair | Clip | None
    pictures: tuple[Tiles, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """Prompt text from where the last turn ended to ``assistant\\n``, the answer, and the question's kind."""

    prompt: str
    answer: str
    kind: str


Branch = tuple[Turn, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """``beginning`` holds one ``<image>`` tag for each picture."""

    pictures: tuple[Tiles, ...]
    beginning: str
    branches: tuple[Branch, ...]


def drawn(content: Scene | Pair | Clip) -> Subject:
    if isinstance(content, Scene):
        return Subject(content, (tiles_of(draw(content)),))
    if isinstance(content, Pair):
        return Subject(content, (tiles_of(draw(content.first)), tiles_of(draw(content.second))))
    return Subject(content, tuple(tiles_of(draw(frame), 1) for frame in content.frames()))


def random_subject(rng: Random) -> Subject:
    """Something to ask about, in the proportions of training."""
    kind = rng.choices(("scene", "pair", "clip", "nothing"), (58, 25, 14, 3))[0]
    if kind == "scene":
        return drawn(random_scene(rng, random_canvas(rng, TILE, rng.random() < 0.3)))
    if kind == "pair":
        return drawn(random_pair(rng, random_canvas(rng, TILE, rng.random() < 0.25)))
    return drawn(random_clip(rng, rng.choice(CLIP_CANVASES))) if kind == "clip" else Subject(None, ())


def random_system(rng: Random) -> str:
    return SYSTEM if rng.random() < 0.9 else rng.choice(SYSTEMS[1:])


def branch(asked: Sequence[Question], lead: str) -> Branch:
    """The turns of a conversation; ``lead`` stands before its first question."""
    leads = [lead, *["<|im_start|>user\n"] * (len(asked) - 1)]
    return tuple(
        Turn(lead + q.text + ASSISTANT, q.answer, q.kind) for lead, q in zip(leads, asked, strict=True)
    )


def scene_questions(rng: Random, scene: Scene) -> list[Sequence[Question]]:
    asked: list[Sequence[Question]] = [(questions.random_question(rng, scene),) for _ in range(6)]
    follow_up = questions.follow_up(rng, scene)
    asked += [follow_up] if follow_up and rng.random() < 0.4 else []
    asked += [two_turns(rng, questions.random_question, scene)] if rng.random() < 0.2 else []
    return asked


def pair_questions(rng: Random, pair: Pair) -> list[Sequence[Question]]:
    asked: list[Sequence[Question]] = [(differences.difference(rng, pair),)]
    asked += [(differences.random_question(rng, pair),) for _ in range(2)]
    asked += [two_turns(rng, differences.random_question, pair)] if rng.random() < 0.15 else []
    return asked


def clip_questions(rng: Random, clip: Clip) -> list[Sequence[Question]]:
    asked: list[Sequence[Question]] = [(occurrences.event(rng, clip),)]
    asked += [(occurrences.random_question(rng, clip),) for _ in range(2)]
    asked += [two_turns(rng, occurrences.random_question, clip)] if rng.random() < 0.15 else []
    return asked


def two_turns(rng: Random, ask: Callable[[Random, T], Question], content: T) -> tuple[Question, Question]:
    """Two questions in a row; the second counts as a follow-up."""
    return ask(rng, content), replace(ask(rng, content), kind="follow-up")


def talk(rng: Random) -> Question:
    return small_talk.identity(rng) if rng.random() < 0.6 else small_talk.chat(rng)


def all_questions(rng: Random, subject: Subject) -> list[Sequence[Question]]:
    """Conversations about this subject, now and then one about the model itself."""
    content = subject.content
    if content is None:
        return [(talk(rng),) for _ in range(4)] + [(talk(rng), talk(rng))]
    extra = [(talk(rng),)] if rng.random() < 0.12 else []
    if isinstance(content, Scene):
        return scene_questions(rng, content) + extra
    return (
        pair_questions(rng, content) if isinstance(content, Pair) else clip_questions(rng, content)
    ) + extra


def random_lead(rng: Random, subject: Subject) -> str:
    """The user text before the question, tags included."""
    if isinstance(subject.content, Scene):
        return rng.choice(ONE_PICTURE)
    if isinstance(subject.content, Pair):
        return rng.choice(TWO_PICTURES)
    return CLIP_FRAMES if subject.content else ""


def sample_of(rng: Random, subject: Subject) -> Sample:
    """Fresh questions about a subject, pictures first."""
    asked = [[casual(rng, question) for question in turns] for turns in all_questions(rng, subject)]
    system = system_block(random_system(rng))
    if not subject.pictures:
        return Sample((), system, tuple(branch(turns, USER) for turns in asked))
    head, tag, lead = random_lead(rng, subject).rpartition("<image>")
    return Sample(subject.pictures, system + USER + head + tag, tuple(branch(turns, lead) for turns in asked))


def question_first(rng: Random, subject: Subject) -> Sample:
    """One question with its picture after it."""
    question = casual(rng, rng.choice(all_questions(rng, subject))[0])
    beginning = (
        f"{system_block(random_system(rng))}{USER}{question.text}\n{'<image>' * len(subject.pictures)}"
    )
    return Sample(subject.pictures, beginning, ((Turn(ASSISTANT, question.answer, question.kind),),))


def random_sample(rng: Random, subject: Subject) -> Sample:
    """A sample about this subject; one in twelve asks before it shows."""
    first = isinstance(subject.content, Scene) and rng.random() < 0.08
    return question_first(rng, subject) if first else sample_of(rng, subject)
