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


def test_awq_layers_are_as_wide_as_others() -> None:
    shapes = {"a.qweight": (512, 64), "a.qzeros": (4, 64), "a.scales": (4, 512)}
    drawn = dict(random_weights(shapes, 0, CPU))
    assert {name: drawn[name].dtype for name in ("a.qweight", "a.qzeros")} == dict.fromkeys(
        ("a.qweight", "a.qzeros"), torch.int32
    )
    numbers, zeros = (four_bits(drawn[name]) for name in ("a.qweight", "a.qzeros"))
    assert set(numbers.unique().tolist()) == set(range(16))
    assert set(zeros.unique().tolist()) == {7, 8}
    weight = (numbers.view(4, 128, 512) - zeros.view(4, 1, 512)) * drawn["a.scales"].half().float()[:, None]
    assert abs(weight.mean().item()) < 0.0005
    assert abs(weight.std().item() - 0.02) < 0.0005
    assert drawn["a.scales"].std() > 0  # else mixed-up scales would go unseen


def four_bits(packed: torch.Tensor) -> torch.Tensor:
    """float32 [rows, 8 * columns], in the order of the bits."""
    return torch.stack([(packed >> shift) & 15 for shift in range(0, 32, 4)], -1).flatten(1).float()


def test_values_keep_activations_finite() -> None:
    drawn = dict(random_weights(SHAPES, 0, CPU))
    assert torch.equal(drawn["norm.weight"], torch.ones(32))
    assert torch.equal(drawn["a.bias"], torch.zeros(64))
    assert abs(drawn["a.weight"].std().item() - 0.02) < 0.002
