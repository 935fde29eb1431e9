"""What a family's model is trained on: pictures, and questions about them in the family's own prompts.

A sample is a tree: what all its conversations begin with stands there once, and each goes on from there without seeing
the others. So one look at the pictures serves many questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

import numpy as np

from training.families.contents import asked, random_content
from training.families.prompts import Dialogue, Prompter, Subject
from training.packing import NO_LABEL, Ints
from training.phrases import KINDS, casual
from training.pool import KEPT, USES
from training.samples import SYSTEMS
from vlmplug.conversation import Placement
from vlmplug.model import MediaInput

#: How often the family's own system text, pictures in front.
USUAL = 0.9
COLUMNS = ("tokens", "positions", "branches", "features", "labels", "answers", "kinds")
#: No row of the tower's output.
NO_FEATURE = -1


@dataclass(frozen=True)
class Sample:
    """A tree in numbers: columns of one length, ``features`` counted over the rows of all ``inputs``."""

    columns: dict[str, Ints]
    answers: int
    inputs: tuple[MediaInput, ...]

    def __len__(self) -> int:
        return len(self.columns["tokens"])


def tree(dialogues: Sequence[Dialogue], inputs: tuple[MediaInput, ...]) -> Sample:
    """Several conversations about the same pictures as one tree.

    :raises ValueError: they show the pictures at different places.
    """
    shared = shared_length(dialogues)
    parts, answers = [beginning(dialogues[0], shared, inputs)], 0
    for number, dialogue in enumerate(dialogues, start=1):
        parts.append(branch(dialogue, shared, number, answers))
        answers += len(dialogue.answers)
    return Sample({name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}, answers, inputs)


def shared_length(dialogues: Sequence[Dialogue]) -> int:
    """How many ids all conversations begin with, short of where the first answer begins.

    :raises ValueError: some pictures stand behind that.
    """
    first = min(dialogue.answers[0].start for dialogue in dialogues) - 1
    length = min(common_length([dialogue.ids for dialogue in dialogues]), first)
    if any(span.start + span.length > length for dialogue in dialogues for span in dialogue.spans):
        raise ValueError("The conversations of a sample show their pictures at different places.")
    return length


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """How many ids all rows begin with."""
    shortest = min(map(len, rows))
    return next((place for place in range(shortest) if len({row[place] for row in rows}) > 1), shortest)


def beginning(dialogue: Dialogue, shared: int, inputs: Sequence[MediaInput]) -> dict[str, Ints]:
    """What all conversations share; nothing is learned in it."""
    columns = empty(shared)
    columns["tokens"][:] = dialogue.ids[:shared]
    columns["positions"][:] = dialogue.positions[:shared]
    row = 0
    for span in dialogue.spans:
        columns["features"][span.start : span.start + span.length] = range(row, row + span.length)
        row += span.length
    if row != sum(media.tokens for media in inputs):
        raise ValueError("Spans and media have different lengths.")
    return columns


def branch(dialogue: Dialogue, shared: int, number: int, answers: int) -> dict[str, Ints]:
    """The rest of one conversation: the ids of its answers are labels of the places before them."""
    columns = empty(len(dialogue.ids) - shared)
    columns["tokens"][:] = dialogue.ids[shared:]
    columns["positions"][:] = dialogue.positions[shared:]
    columns["branches"][:] = number
    for place, answer in enumerate(dialogue.answers):
        start = answer.start - 1 - shared
        span = slice(start, start + len(answer.ids))
        columns["labels"][span] = answer.ids
        columns["answers"][span] = answers + place
        columns["kinds"][span] = KINDS.index(answer.kind)
    return columns


def empty(length: int) -> dict[str, Ints]:
    fill = {"features": NO_FEATURE, "labels": NO_LABEL}
    return {name: np.full(length, fill.get(name, 0), np.int32) for name in COLUMNS}


def random_sample(rng: Random, prompter: Prompter, subject: Subject) -> Sample:
    """Fresh questions about a subject, now and then with a system text, or with pictures inline."""
    turns = [[casual(rng, turn) for turn in talk] for talk in asked(rng, prompter.family, subject.content)]
    system = None if rng.random() < USUAL else rng.choice(SYSTEMS[2:])
    placement: Placement = "beside" if rng.random() < USUAL else "inline"
    return tree([prompter.dialogue(subject, talk, system, placement) for talk in turns], subject.inputs)


def samples(prompter: Prompter, stream: str) -> Iterator[Sample]:
    """Endless samples of one stream; subjects come back with fresh questions, ``USES`` times on average."""
    kept: list[Subject] = []
    for index in count():
        rng = Random(f"{prompter.family.name}/{stream}/{index}")
        if len(kept) < KEPT or rng.random() < 1 / USES:
            kept.append(prompter.subject(random_content(rng, prompter.family)))
            subject = kept[-1]
            kept = kept[-KEPT:] if len(kept) > 2 * KEPT else kept
        else:
            subject = rng.choice(kept)
        yield random_sample(rng, prompter, subject)


def fresh_samples(prompter: Prompter, stream: str) -> Iterator[Sample]:
    """Endless samples of one stream, each about a subject of its own."""
    for index in count():
        rng = Random(f"{prompter.family.name}/{stream}/{index}")
        yield random_sample(rng, prompter, prompter.subject(random_content(rng, prompter.family)))
