"""A vision transformer for pictures of any shape."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from vlmplug.parts.navit import (
    NavitSizes,
    NavitTransformer,
    PositionRule,
    flat_positions,
    grid_positions,
    nearest_positions,
)

SIZES = NavitSizes(width=32, inner=48, layers=2, heads=4, patch=14, side=8)
#: Lengths up to 100 at which the official rounding is not that of exact numbers, for 70 trained places.
ROUNDED = [25, 49, 50, 55, 58, 77, 82, 86, 94, 98, 100]


def transformer(rule: PositionRule = grid_positions) -> NavitTransformer:
    """With lively weights."""
    torch.manual_seed(3)
    made = NavitTransformer(SIZES, rule).eval()
    for name, parameter in made.named_parameters():
        nn.init.normal_(parameter, float(parameter.dim() == 1 and not name.endswith("bias")), 0.2)
    return made


def pixels(count: int, rows: int, columns: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, 14 * rows, 14 * columns, generator=generator)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (25, "0 2 5 8 11 13 16 19 22 25 27 30 33 36 39 41 44 47 50 53 55 58 61 64 67"),
        (32, "0 2 4 6 8 10 13 15 17 19 21 24 26 28 30 32 35 37 39 41 43 45 48 50 52 54 56 59 61 63 65 67"),
        (
            37,
            "0 1 3 5 7 9 11 13 15 17 18 20 22 24 26 28 30 32 34 35 37 39 41 43 45 47 49 51 52 54 56 58 60 62 64 66 68",
        ),
        (70, " ".join(map(str, range(70)))),
    ],
)
def test_the_official_places(count: int, expected: str) -> None:
    assert nearest_positions(count, 70).tolist() == [int(word) for word in expected.split()]


def test_the_official_rounding_is_not_that_of_exact_numbers() -> None:
    exact = {count: [70 * place // count for place in range(count)] for count in range(1, 101)}
    assert [count for count in exact if nearest_positions(count, 70).tolist() != exact[count]] == ROUNDED


@given(st.integers(1, 6000), st.integers(1, 70))
def test_there_is_one_place_for_each_and_they_never_go_back(count: int, side: int) -> None:
    found = nearest_positions(count, side)
    assert found.shape == (count,)
    assert found[0] == 0 and int(found[-1]) < side
    assert bool((found.diff() >= 0).all())


def test_a_grid_has_rows_and_columns() -> None:
    expected = [[row * 70 + column for column in nearest_positions(5, 70)] for row in nearest_positions(3, 70)]
    assert grid_positions(3, 5, 70).tolist() == [place for row in expected for place in row]


def test_without_a_shape_only_the_first_row_of_the_trained_grid_is_used() -> None:
    found = flat_positions(32, 32, 70)
    assert found.tolist()[:16] == [0] * 15 + [1]
    assert int(found.max()) == 69
    assert torch.equal(found, flat_positions(16, 64, 70))


@torch.inference_mode()
def test_a_picture_of_the_trained_size_is_that_of_transformers() -> None:
    config = SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=112,
        patch_size=14,
        hidden_act="gelu_pytorch_tanh",
        vision_use_head=False,
    )
    native, own = SiglipVisionModel(config).eval(), transformer()
    state = {
        name: own.state_dict()[name.removeprefix("vision_model.")]
        for name in native.state_dict()
        if not name.endswith("position_ids")
    }
    native.load_state_dict(state, strict=False)
    assert len(state) == len(own.state_dict())
    torch.testing.assert_close(own(pixels(2, 8, 8)), native(pixels(2, 8, 8)).last_hidden_state, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rule", [grid_positions, flat_positions])
@torch.inference_mode()
def test_a_picture_does_not_depend_on_its_neighbours(rule: PositionRule) -> None:
    made, one, other = transformer(rule), pixels(1, 5, 9), pixels(3, 5, 9, 1)
    together = made(torch.cat([other[:2], one, other[2:]]))
    torch.testing.assert_close(together[2:3], made(one))
    assert together.shape == (4, 45, 32)


@torch.inference_mode()
def test_the_rules_differ() -> None:
    grid, flat = (transformer(rule)(pixels(1, 5, 9)) for rule in (grid_positions, flat_positions))
    assert float((grid - flat).abs().max()) > 0.1
