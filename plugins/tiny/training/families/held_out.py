"""Questions to a family's model that training never saw, with picture and video files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from random import Random

from training.conversations import Content
from training.examples import FRAMES
from training.families.contents import asked, kinds, random_content
from training.families.description import TinyFamily
from training.families.recordings import RecordedClip
from training.held_out import STREAM, HeldOut
from training.phrases import casual


def held_out_of(family: TinyFamily, number: int) -> Iterator[HeldOut]:
    """The conversations about one content, at most one of each kind, so that a hard picture does not count twice."""
    rng = Random(f"{family.name}/{STREAM}/{number}")
    content = random_content(rng, family)
    found: set[str] = set()
    for turns in asked(rng, family, content):
        question = HeldOut(number, content, [casual(rng, turn) for turn in turns], frames_of(content))
        if question.kind not in found:
            found.add(question.kind)
            yield question


def frames_of(content: Content | None) -> int:
    """Frames of the file that a content is recorded in; those of a usual clip where it is none."""
    return content.recording.frames if isinstance(content, RecordedClip) else FRAMES


def held_out_questions(family: TinyFamily, each: int) -> list[HeldOut]:
    """The first ``each`` questions of every kind that the family is asked, in the order of their seeds."""
    found: list[HeldOut] = []
    taken: Counter[str] = Counter()
    for number in count():
        if all(taken[kind] == each for kind in kinds(family)):
            break
        for question in held_out_of(family, number):
            if taken[question.kind] < each:
                taken[question.kind] += 1
                found.append(question)
    return found
