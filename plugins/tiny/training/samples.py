"""What the model is trained on: pictures, and questions about them in official prompts.

A sample is a tree: one shared beginning (system text, pictures) and several branches that go on from there
without seeing each other. Each branch reads exactly like a conversation of its own, so one look at the
pictures serves many questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from training.clips import FRAMES
from training.conversations import Content, conversations, random_content
from training.drawing import draw
from training.pairs import Pair
from training.phrases import Question, casual
from training.prompts import ASSISTANT, SYSTEM, USER, system_block
from training.scenes import Scene
from training.tiles import Tiles, tiles_of

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


@dataclass(frozen=True, slots=True)
class Subject:
    """What one sample is about, drawn: a scene, a pair, a clip, or nothing; the tiles of each picture."""

    content: Content | None
    pictures: tuple[Tiles, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """Prompt text from where the last turn ended to ``assistant\\n``, the answer, and the question's kind."""

    prompt: str
    answer: str
    kind: str


Branch = tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """``beginning`` holds one ``<image>`` tag for each picture."""

    pictures: tuple[Tiles, ...]
    beginning: str
    branches: tuple[Branch, ...]


def drawn(content: Content) -> Subject:
    if isinstance(content, Scene):
        return Subject(content, (tiles_of(draw(content)),))
    if isinstance(content, Pair):
        return Subject(content, (tiles_of(draw(content.first)), tiles_of(draw(content.second))))
    return Subject(content, tuple(tiles_of(draw(frame), 1) for frame in content.frames()))


def random_subject(rng: Random) -> Subject:
    content = random_content(rng)
    return Subject(None, ()) if content is None else drawn(content)


def random_system(rng: Random) -> str:
    return SYSTEM if rng.random() < 0.9 else rng.choice(SYSTEMS[1:])


def branch(asked: Sequence[Question], lead: str) -> Branch:
    """The turns of a conversation; ``lead`` stands before its first question."""
    leads = [lead, *["<|im_start|>user\n"] * (len(asked) - 1)]
    return tuple(Turn(lead + q.text + ASSISTANT, q.answer, q.kind) for lead, q in zip(leads, asked, strict=True))


def random_lead(rng: Random, subject: Subject) -> str:
    """The user text before the question, tags included."""
    if isinstance(subject.content, Scene):
        return rng.choice(ONE_PICTURE)
    if isinstance(subject.content, Pair):
        return rng.choice(TWO_PICTURES)
    return CLIP_FRAMES if subject.content else ""


def sample_of(rng: Random, subject: Subject) -> Sample:
    """Fresh questions about a subject, pictures first."""
    asked = [[casual(rng, question) for question in turns] for turns in conversations(rng, subject.content)]
    system = system_block(random_system(rng))
    if not subject.pictures:
        return Sample((), system, tuple(branch(turns, USER) for turns in asked))
    head, tag, lead = random_lead(rng, subject).rpartition("<image>")
    return Sample(subject.pictures, system + USER + head + tag, tuple(branch(turns, lead) for turns in asked))


def question_first(rng: Random, subject: Subject) -> Sample:
    """One question with its picture after it."""
    question = casual(rng, rng.choice(conversations(rng, subject.content))[0])
    beginning = f"{system_block(random_system(rng))}{USER}{question.text}\n{'<image>' * len(subject.pictures)}"
    return Sample(subject.pictures, beginning, ((Turn(ASSISTANT, question.answer, question.kind),),))


def random_sample(rng: Random, subject: Subject) -> Sample:
    """A sample about this subject; one in twelve asks before it shows."""
    first = isinstance(subject.content, Scene) and rng.random() < 0.08
    return question_first(rng, subject) if first else sample_of(rng, subject)
