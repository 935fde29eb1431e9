"""Random weights are a function of seed and name, whatever else is drawn."""

from __future__ import annotations

import torch

from vlmplug.engine.random_weights import random_weights

SHAPES = {"a.weight": (64, 32), "norm.weight": (32,), "a.bias": (64,)}
CPU = torch.device("cpu")


def test_same_seed_same_values_in_any_order() -> None:
    one = dict(random_weights(SHAPES, 7, CPU))
    other = dict(random_weights(dict(reversed(SHAPES.items())), 7, CPU))
    assert all(torch.equal(one[name], other[name]) for name in SHAPES)


def test_other_seed_and_other_name_give_other_values() -> None:
    def draw(seed: int, name: str) -> torch.Tensor:
        return dict(random_weights({name: (8, 8)}, seed, CPU))[name]

    assert not torch.equal(draw(1, "a"), draw(2, "a"))
    assert not torch.equal(draw(1, "a"), draw(1, "b"))


def test_values_keep_activations_finite() -> None:
    drawn = dict(random_weights(SHAPES, 0, CPU))
    assert torch.equal(drawn["norm.weight"], torch.ones(32))
    assert torch.equal(drawn["a.bias"], torch.zeros(64))
    assert abs(drawn["a.weight"].std().item() - 0.02) < 0.002
