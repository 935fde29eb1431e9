"""Sampling on the CPU: determined by seed and position, fair, and never a token of weight 0."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.engine.cpu.sampling import CpuMultinomialSampling, uniform

WORDS = st.integers(0, 2**32 - 1)


@given(seed=WORDS, offset=WORDS)
def test_a_draw_is_a_function_of_seed_and_offset(seed: int, offset: int) -> None:
    assert 0 <= uniform(seed, offset) < 1
    assert uniform(seed, offset) == uniform(seed, offset)


def test_draws_are_evenly_spread_over_seeds_and_over_positions() -> None:
    for draws in ([uniform(seed, 3) for seed in range(20_000)], [uniform(3, offset) for offset in range(20_000)]):
        counts = torch.histc(torch.tensor(draws), bins=20, min=0, max=1)
        chi_square = ((counts - 1000) ** 2 / 1000).sum()
        assert chi_square < 50  # 19 degrees of freedom: exceeded once in 10,000 times


def test_neighbouring_seeds_and_positions_are_unrelated() -> None:
    draws = torch.tensor([[uniform(seed, offset) for offset in range(200)] for seed in range(200)])
    for shifted in (draws[1:, :], draws[:, 1:]):
        here = draws[: shifted.size(0), : shifted.size(1)]
        assert abs(torch.corrcoef(torch.stack((here.flatten(), shifted.flatten())))[0, 1]) < 0.03


def test_shares_follow_the_weights() -> None:
    weights = torch.tensor([0.5, 0.0, 0.3, 0.2])
    rows = 20_000
    drawn = CpuMultinomialSampling().forward(weights.expand(rows, 4), torch.arange(rows), torch.zeros(rows).long())
    shares = torch.bincount(drawn, minlength=4) / rows
    torch.testing.assert_close(shares, weights, atol=0.015, rtol=0)
    assert shares[1] == 0


@given(
    weights=st.lists(st.sampled_from([0.0, 1e-6, 0.25, 3.0]), min_size=1, max_size=8).filter(any),
    seed=WORDS,
    offset=WORDS,
)
def test_weight_0_is_never_drawn_and_rows_are_independent(weights: list[float], seed: int, offset: int) -> None:
    sampling, row = CpuMultinomialSampling(), torch.tensor([weights])
    alone = sampling.forward(row, torch.tensor([seed]), torch.tensor([offset]))
    assert weights[int(alone)] > 0
    scores = torch.cat((torch.ones_like(row), row))
    both = sampling.forward(scores, torch.tensor([1, seed]), torch.tensor([2, offset]))
    assert both[1] == alone[0]


def test_columns_are_translated_to_tokens() -> None:
    indices = torch.tensor([[7, 3], [2, 9]])
    scores = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    drawn = CpuMultinomialSampling().forward(scores, torch.tensor([1, 1]), torch.tensor([0, 0]), indices)
    assert drawn.tolist() == [3, 2]
