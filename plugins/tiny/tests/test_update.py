"""One update: the loss falls, by a step as long as the rate that was asked for."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn.utils import get_total_norm

from training.feed import Batch
from training.model import answer_loss, new_model
from training.state import Trainee
from training.update import Update


@pytest.fixture
def trainee(small_config: dict[str, Any]) -> Trainee:
    return Trainee(new_model(small_config), weight_decay=0.05)


def test_repeating_a_batch_learns_it(trainee: Trainee, batch: Batch) -> None:
    update = Update(trainee)
    losses = [update(batch, 2e-3).item() for _ in range(6)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def test_the_loss_is_that_of_the_weights_before_the_step(trainee: Trainee, batch: Batch) -> None:
    before = answer_loss(trainee.model(batch), batch["labels"]).detach()
    loss = Update(trainee)(batch, 1e-3)
    assert not loss.requires_grad
    torch.testing.assert_close(loss, before)


def test_a_rate_of_nothing_changes_nothing(trainee: Trainee, batch: Batch) -> None:
    before = copy.deepcopy(trainee.model.state_dict())
    Update(trainee)(batch, 0.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainee.model.state_dict().items())


@pytest.mark.parametrize("rate", [1e-4, 1e-3])
def test_the_first_step_is_as_long_as_the_rate(rate: float, trainee: Trainee, batch: Batch) -> None:
    norm = trainee.model.language_model.model.norm.weight  # not decayed
    before = norm.detach().clone()
    Update(trainee)(batch, rate)
    # AdamW's first step goes by its rate wherever there is a gradient at all.
    torch.testing.assert_close((norm - before).abs().median(), torch.tensor(rate), rtol=1e-2, atol=0)


def test_gradients_are_clipped(trainee: Trainee, batch: Batch) -> None:
    with torch.no_grad():
        trainee.model.language_model.lm_head.weight *= 50
    Update(trainee)(batch, 1e-3)
    gradients = [parameter.grad for parameter in trainee.model.parameters() if parameter.grad is not None]
    torch.testing.assert_close(get_total_norm(gradients), torch.tensor(1.0), rtol=1e-3, atol=0)


def test_steps_and_rows_are_counted_and_averaged(trainee: Trainee, batch: Batch) -> None:
    before = trainee.averaged.language_model.lm_head.weight.clone()
    Update(trainee)(batch, 1e-3)
    assert (trainee.progress.steps, trainee.progress.rows) == (1, len(batch["tokens"]))
    assert not torch.equal(before, trainee.averaged.language_model.lm_head.weight)
