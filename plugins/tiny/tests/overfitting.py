"""Learning a few conversations by heart: a family's whole way from its description to an answer of the engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor

from training.families.checkpoint import fingerprint, write_files
from training.families.contents import asked, random_content
from training.families.description import TinyFamily
from training.families.held_out import frames_of
from training.families.model import FamilyNetwork, new_network
from training.families.packing import Layout, Packer, empty
from training.families.prompts import Prompter
from training.families.samples import tree
from training.families.vocabulary import Vocabulary
from training.feed import Batch, batches_of
from training.held_out import HeldOut
from training.state import Trainee
from training.update import Update


def with_fields(family: TinyFamily, fields: Mapping[str, Any]) -> TinyFamily:
    """The same family with other values in its ``config.json``; objects are filled in, not replaced."""

    def write(folder: Path, vocabulary: Vocabulary) -> None:
        family.write(folder, vocabulary)
        file = folder / "config.json"
        file.write_text(json.dumps(merged(json.loads(file.read_text()), fields)))

    return replace(family, write=write)


def merged(whole: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in fields.items():
        whole[name] = merged(whole[name], value) if isinstance(value, Mapping) else value
    return whole


@dataclass(frozen=True)
class Lesson:
    """A few samples in as few rows as they fill, and the questions in them."""

    prompter: Prompter
    batch: Batch
    questions: list[HeldOut]


def lesson(family: TinyFamily, folder: Path, samples: int) -> Lesson:
    """Conversations about the first contents of a stream of their own."""
    write_files(family, folder)
    prompter, layout = Prompter(family, folder), Layout.of(family)
    block, questions = empty(layout), []
    packer = Packer(layout, block)
    for number in range(samples):
        rng = Random(f"lesson/{number}")
        content = random_content(rng, family)
        subject = prompter.subject(content)
        talks = list(one_answer_each(asked(rng, family, content)))
        if not packer.add(tree([prompter.dialogue(subject, talk) for talk in talks], subject.inputs)):
            raise ValueError("The lesson does not fit into one block.")
        questions += [HeldOut(number, content, talk, frames_of(content)) for talk in talks]
    (whole,) = batches_of([block], 1, torch.device("cpu"), layout.features)
    rows = sum(used > 0 for used in packer.used)
    return Lesson(prompter, {name: cut(name, column, rows) for name, column in whole.items()}, questions)


def one_answer_each(talks: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Conversations whose questions are not asked twice: a question has one answer."""
    known: set[str] = set()
    for talk in talks:
        if not known & {turn.text for turn in talk}:
            known |= {turn.text for turn in talk}
            yield talk


def cut(name: str, column: Tensor, rows: int) -> Tensor:
    return column if name.startswith("tiles") else column[:rows]


def learned(lesson: Lesson, steps: int, state: Path, rate: float = 3e-3) -> list[float]:
    """Trains on the lesson alone, leaves a state whose average is what was learned last; the losses."""
    family, model = lesson.prompter.family, lesson.prompter.model
    trainee = Trainee[FamilyNetwork](new_network(family, model), 0.0)
    trainee.progress.tokenizer = fingerprint(model.folder)
    update, losses = Update(trainee), []
    for step in range(steps):
        falling = min(1.0, (step + 1) / 10, 2 * (1 - step / steps))
        losses.append(update(lesson.batch, rate * falling).item())
    trainee.averaged = trainee.model
    trainee.save(state)
    return losses
