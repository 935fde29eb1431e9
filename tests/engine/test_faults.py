"""lmdeploy's faults that give wrong answers are mended."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from lmdeploy.pytorch.messages import HistoryLogits

from vlmplug.engine import faults
from vlmplug.engine.compatibility import look_up

from .driver import Driver, Request
from .tiny_models import TinyModel, prompt

Drivers = Callable[..., Driver]
Models = Callable[[str], TinyModel]


def scoring(length: int, seed: int = 0, **config: object) -> Request:
    return Driver.scoring(prompt(length, seed), **config)


@pytest.mark.parametrize("variant", ["plain", "chunked"])
class TestPromptLogits:
    @pytest.mark.parametrize("length", [1, 20, 90])
    def test_alone_they_are_those_of_transformers_at_any_temperature(
        self, variant: str, length: int, drivers: Drivers, tiny: Models
    ) -> None:
        for config in ({}, {"temperature": 0.25}, {"do_sample": True, "top_k": 7, "temperature": 2.0}):
            (answer,) = drivers("llama", variant).ask(scoring(length, **config))
            assert answer.tokens == []
            assert answer.logits is not None
            torch.testing.assert_close(answer.logits, tiny("llama").logits(prompt(length)), rtol=1e-4, atol=1e-4)

    def test_batched_they_are_the_same(self, variant: str, drivers: Drivers, tiny: Models) -> None:
        requests = [scoring(length, temperature=0.5) for length in (30, 1, 75)]
        for request, answer in zip(requests, drivers("llama", variant).ask(*requests), strict=True):
            assert answer.logits is not None
            torch.testing.assert_close(answer.logits, tiny("llama").logits(request.ids), rtol=1e-4, atol=1e-4)

    def test_later_requests_are_answered_in_full(self, variant: str, drivers: Drivers, tiny: Models) -> None:
        driver = drivers("llama", variant)
        for length in (5, 50):
            driver.ask(scoring(length))
            assert driver.tokens(prompt(22), tokens=20) == [tiny("llama").greedy(prompt(22), 20)]

    def test_requests_in_the_same_batch_are_answered_in_full(
        self, variant: str, drivers: Drivers, tiny: Models
    ) -> None:
        generating = [Request(prompt(length, seed=9), tokens) for length, tokens in ((8, 30), (26, 1), (40, 12))]
        first, score_1, second, score_2, third = drivers("llama", variant).ask(
            generating[0], scoring(10), generating[1], scoring(60), generating[2]
        )
        want = [tiny("llama").greedy(request.ids, request.tokens) for request in generating]
        assert [first.tokens, second.tokens, third.tokens] == want
        assert score_1.tokens == score_2.tokens == []

    def test_a_request_under_way_is_not_stopped(self, variant: str, drivers: Drivers, tiny: Models) -> None:
        driver = drivers("llama", variant)

        async def score_in_the_middle() -> list[int]:
            tokens: list[int] = []
            async for output in driver.stream(Request(prompt(11), 40)):
                if len(tokens) in (5, 20):
                    await driver.answer(scoring(13 + len(tokens)))
                tokens += output.token_ids
            return tokens

        assert driver.run(score_in_the_middle()) == tiny("llama").greedy(prompt(11), 40)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_kept_logits_come_back_in_every_dtype(dtype: torch.dtype) -> None:
    faults.install()
    history, logits = HistoryLogits(), torch.randn(70, 9).to(dtype)
    for rows in logits.split(40):
        history.set_torch_dtype(dtype)
        history.append(rows.view(torch.int16).numpy())
    kept = history.get_logits()
    assert torch.equal(kept, logits)
    history.resize(0)
    history.append(np.zeros_like(logits.view(torch.int16).numpy()))
    assert torch.equal(kept, logits), "what was returned must not change with the buffer"


def test_no_logits_are_none() -> None:
    faults.install()
    assert HistoryLogits().get_logits() is None


def test_the_embedding_of_the_padding_token_is_the_checkpoints(drivers: Drivers, tiny: Models) -> None:
    model, padding = tiny("internlm2"), tiny("internlm2").reference.config.pad_token_id
    assert model.reference.get_input_embeddings().weight[padding].abs().min() > 0
    ids = [*prompt(10), padding, *prompt(10, seed=1), padding]
    assert drivers("internlm2").tokens(ids) == [model.greedy(ids)]


def test_everything_that_is_relied_on_exists() -> None:
    for row in faults.NEEDED:
        assert look_up(row) is not None


def test_installing_again_changes_nothing() -> None:
    faults.install()
    before = [look_up(row) for row in faults.NEEDED]
    faults.install()
    assert [look_up(row) for row in faults.NEEDED] == before
