"""Questions that training never saw, as a user would ask them: with picture and video files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random

from training.clips import Clip
from training.conversations import Content, Conversation, conversations, random_content
from training.drawing import draw
from training.examples import FRAMES, write_clip
from training.pairs import Pair
from training.phrases import KINDS, casual
from training.scenes import Canvas, Scene

#: Names the seeds; neither training nor its own checks use this stream.
STREAM = "held out/evaluation"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A conversation whose last question counts, about the content drawn from seed ``number`` of `STREAM`.

    A clip is recorded in so many ``frames``.
    """

    number: int
    content: Content | None
    turns: Conversation
    frames: int = FRAMES

    @property
    def kind(self) -> str:
        """The kind that the last question counts as."""
        return self.turns[-1].kind

    @property
    def answer(self) -> str:
        """The right answer to the last question."""
        return self.turns[-1].answer


@dataclass(frozen=True, slots=True)
class MediaFiles:
    """The files that a question is about."""

    images: tuple[Path, ...] = ()
    videos: tuple[Path, ...] = ()


def held_out_of(number: int) -> Iterator[HeldOut]:
    """The conversations about one content, at most one of each kind, so that a hard picture does not count twice."""
    rng = Random(f"{STREAM}/{number}")
    content = random_content(rng)
    kinds: set[str] = set()
    for turns in conversations(rng, content):
        question = HeldOut(number, content, [casual(rng, turn) for turn in turns])
        if question.kind not in kinds:
            kinds.add(question.kind)
            yield question


def held_out_questions(each: int) -> list[HeldOut]:
    """The first ``each`` questions of every kind, in the order of their seeds."""
    found: list[HeldOut] = []
    taken: Counter[str] = Counter()
    for number in count():
        if all(taken[kind] == each for kind in KINDS):
            break
        for question in held_out_of(number):
            if taken[question.kind] < each:
                taken[question.kind] += 1
                found.append(question)
    return found


def write_media(question: HeldOut, folder: Path) -> MediaFiles:
    """Pictures as PNG and clips as MPEG-4 files in ``folder``; what is there already is not drawn again."""
    content, stem = question.content, folder / f"{question.number:06d}"
    if isinstance(content, Scene):
        return MediaFiles(images=(written(content, stem.with_suffix(".png")),))
    if isinstance(content, Pair):
        names = (f"{stem.name}_{part}.png" for part in ("before", "after"))
        scenes = (content.first, content.second)
        return MediaFiles(tuple(written(scene, folder / name) for scene, name in zip(scenes, names, strict=True)))
    if isinstance(content, Clip):
        return MediaFiles(videos=(recorded(content, stem.with_suffix(".mp4"), question.frames),))
    return MediaFiles()


def written(scene: Scene, path: Path) -> Path:
    if not path.exists():
        draw(scene).save(path)
    return path


def recorded(clip: Clip, path: Path, frames: int) -> Path:
    if not path.exists():
        write_clip(replace(clip, still=replace(clip.still, canvas=even(clip.still.canvas))), path, frames)
    return path


def even(canvas: Canvas) -> Canvas:
    """The canvas with sides that an encoder of halved colour planes takes."""
    return Canvas(canvas.width + canvas.width % 2, canvas.height + canvas.height % 2)
