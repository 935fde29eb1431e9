"""How many held-out questions are answered exactly right, by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from training.feed import Batch
from training.model import TinyModel
from training.packing import NO_LABEL
from training.phrases import KINDS
from training.prompts import with_pictures
from training.samples import Sample, random_sample, random_subject
from training.tiles import TOKENS, Tiles
from training.tokenizer import Encoder

#: Longest answer that is generated, in tokens.
LONGEST = 110


@dataclass(frozen=True, slots=True)
class Score:
    right: int
    total: int

    def __str__(self) -> str:
        return f"{100 * self.right / max(self.total, 1):.1f}% of {self.total}"


Scores = dict[str, Score]


def table(asked: Counter[str], right: Counter[str]) -> Scores:
    return {kind: Score(right[kind], asked[kind]) for kind in KINDS if asked[kind]}


def teacher_forced(model: Callable[[Batch], Tensor], batches: Iterable[Batch]) -> Scores:
    """Scores without decoding: an answer counts where each of its tokens is the likeliest after those before.

    Greedy decoding gives exactly this answer then, and another one otherwise.
    """
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for batch in batches:
        with torch.no_grad():
            hits = model(batch).argmax(-1) == batch["labels"]
        chosen = batch["labels"] != NO_LABEL
        answers, first = np.unique(batch["answers"][chosen].cpu().numpy(), return_inverse=True)
        kinds = np.zeros(len(answers), int)
        kinds[first] = batch["kinds"][chosen].cpu().numpy()
        wrong = np.bincount(first, ~hits[chosen].cpu().numpy())
        asked.update(KINDS[kind] for kind in kinds)
        right.update(KINDS[kind] for kind in kinds[wrong == 0])
    return table(asked, right)


@dataclass(frozen=True, slots=True)
class Case:
    """One question of a kind as a whole prompt, with its pictures and its answer."""

    kind: str
    prompt: str
    pictures: tuple[Tiles, ...]
    answer: str


def cases_of(sample: Sample) -> Iterator[Case]:
    """The last question of every branch, with all that comes before it."""
    for turns in sample.branches:
        *earlier, last = turns
        history = "".join(turn.prompt + turn.answer for turn in earlier)
        prompt = (
            with_pictures(sample.beginning, [len(tiles) * TOKENS for tiles in sample.pictures]) + history + last.prompt
        )
        yield Case(last.kind, prompt, sample.pictures, last.answer)


def held_out_cases(count: int, kinds: Sequence[str] = KINDS) -> list[Case]:
    """``count`` cases of each kind, from seeds that neither training nor the running check uses."""
    wanted = dict.fromkeys(kinds, count)
    cases: list[Case] = []
    index = 0
    while any(wanted.values()):
        rng = Random(f"final/{index}")
        index += 1
        for case in cases_of(random_sample(rng, random_subject(rng))):
            if wanted.get(case.kind, 0):
                wanted[case.kind] -= 1
                cases.append(case)
    return cases


def flipped(rows: Sequence[Tensor], value: int) -> Tensor:
    """Rows of any length, padded on the left."""
    return pad_sequence([row.flip(0) for row in rows], batch_first=True, padding_value=value).flip(1)


def generate(model: TinyModel, encoder: Encoder, cases: Sequence[Case]) -> list[str]:
    """Greedy answers to a batch of prompts, each with its own pictures."""
    device = model.language_model.device
    rows = [torch.tensor(encoder.encode(case.prompt)) for case in cases]
    tokens = flipped(rows, encoder.end).to(device)
    mask = flipped([torch.ones_like(row) for row in rows], 0).to(device)
    pictures = [tiles for case in cases for tiles in case.pictures]
    tiles = torch.from_numpy(np.concatenate(pictures)).to(device) if pictures else torch.empty(0, device=device)
    at = (tokens == encoder.context).long()
    features = torch.where(at == 1, at.flatten().cumsum(0).view_as(at) - 1, -1)
    made = model.language_model.generate(
        inputs_embeds=model.embed(tokens, features, tiles), attention_mask=mask,
        max_new_tokens=LONGEST, do_sample=False,
        eos_token_id=encoder.end, pad_token_id=encoder.end,
    )  # fmt: skip
    return [encoder.decode(row.tolist()).partition("<|im_end|>")[0] for row in made]


@torch.no_grad()
def free_run(model: TinyModel, encoder: Encoder, cases: Sequence[Case], size: int = 128) -> tuple[Scores, list[str]]:
    """Scores of greedy decoding, and a line for some wrong answers."""
    ordered = sorted(cases, key=lambda case: (len(case.prompt), len(case.answer)))
    asked, right = Counter(case.kind for case in cases), Counter[str]()
    mistakes: list[str] = []
    for start in range(0, len(ordered), size):
        part = ordered[start : start + size]
        for case, answer in zip(part, generate(model, encoder, part), strict=True):
            right[case.kind] += answer == case.answer
            mistakes += [f"{case.kind}: {case.answer!r} but said {answer!r}"] if answer != case.answer else []
    return table(asked, right), mistakes
