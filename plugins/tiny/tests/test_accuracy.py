"""The trainer's own tests: what counts as right with and without decoding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from training.accuracy import Score, free_run, generate, held_out_cases, teacher_forced
from training.feed import Batch
from training.model import TinyModel
from training.packing import NO_LABEL
from training.phrases import KINDS
from training.tokenizer import Encoder


class Oracle(nn.Module):
    """Says the labels of a batch, but for the answers that it is told to get wrong."""

    def __init__(self, wrong: set[int]) -> None:
        super().__init__()
        self.wrong = wrong

    def forward(self, batch: Batch) -> torch.Tensor:
        said = batch["labels"].clone()
        for answer in self.wrong:
            place = torch.nonzero((batch["answers"] == answer) & (said != NO_LABEL))[-1]
            said[tuple(place)] += 1
        return nn.functional.one_hot(said.clamp(0), int(said.max()) + 2).float()


@pytest.mark.parametrize("wrong", [set(), {0}, {0, 2, 5}], ids=len)
def test_one_wrong_token_makes_an_answer_wrong(wrong: set[int], batch: Batch) -> None:
    measured = teacher_forced(Oracle(wrong), [batch])  # type: ignore[arg-type]
    answers = batch["answers"][batch["labels"] != NO_LABEL].unique()
    assert sum(score.total for score in measured.values()) == len(answers) > 10
    assert sum(score.total - score.right for score in measured.values()) == len(wrong)
    assert measured.keys() <= set(KINDS)


def test_cases_are_as_many_of_each_kind_and_always_the_same() -> None:
    cases = held_out_cases(2, ("shape", "event"))
    assert [case.kind for case in cases].count("shape") == [case.kind for case in cases].count("event") == 2
    assert [case.prompt for case in cases] == [case.prompt for case in held_out_cases(2, ("shape", "event"))]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of at most eight tokens; a random model hardly ever stops by itself."""
    monkeypatch.setattr("training.accuracy.LONGEST", 8)


@pytest.mark.usefixtures("brief")
@torch.no_grad()
def test_greedy_answers_do_not_depend_on_the_batch(small_model: TinyModel, encoder: Encoder) -> None:
    cases = held_out_cases(1, ("shape", "difference", "chat"))
    alone = [answer for case in cases for answer in generate(small_model, encoder, [case])]
    assert generate(small_model, encoder, cases) == alone
    assert len({case.prompt for case in cases}) == len(cases) == 3


@pytest.mark.usefixtures("brief")
@torch.no_grad()
def test_an_answer_counts_if_it_is_the_expected_one(small_model: TinyModel, encoder: Encoder) -> None:
    (case,) = held_out_cases(1, ("chat",))
    (said,) = generate(small_model, encoder, [case])
    measured, mistakes = free_run(small_model, encoder, [replace(case, answer=said), case])
    assert measured == {"chat": Score(1, 2)}
    assert mistakes == [f"chat: {case.answer!r} but said {said!r}"]
