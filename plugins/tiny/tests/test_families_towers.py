"""The towers in training see what the plugins' towers see with the exported weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.families.checkpoint import write_files
from training.families.index import FAMILIES
from training.families.model import new_network, official_weights
from training.families.prompts import Prompter, averaged
from training.families.towers import attend_nearby
from vlmplug.import_path import load
from vlmplug.model import FamilyModel, MediaInput
from vlmplug.parts.resampler import Resampler, ResamplerSizes
from vlmplug.parts.sincos import sincos_positions


def plugin_tower(model: FamilyModel, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """The plugin's own tower with exported weights."""
    route = load(model.weight_route)
    tower: torch.nn.Module = load(model.tower.builder)(model.tower.config)
    routed = ((route(name), tensor.float()) for name, tensor in weights.items())
    tower.load_state_dict({name: tensor for (part, name), tensor in routed if part == "vision"}, strict=False)
    return tower.eval()


@torch.no_grad()
@pytest.mark.parametrize("grid", [(1, 1), (3, 1), (1, 4)])
def test_averaging_squares_changes_nothing_but_the_whole_of_several_tiles(
    tmp_path: Path, grid: tuple[int, int]
) -> None:
    family = FAMILIES["xcomposer2_5-tiny"]
    write_files(family, tmp_path)
    model = Prompter(family, tmp_path).model
    network = new_network(family, model).eval()
    weights = official_weights(family, network)
    for name, parameter in network.tower.named_parameters():
        parameter.copy_(parameter.to(torch.bfloat16)) if name != "patch_embed.proj.weight" else None
    tower = plugin_tower(model, weights)
    small = np.random.default_rng(0).integers(0, 256, (140 * grid[1], 140 * grid[0], 3), np.uint8)
    large = torch.from_numpy(small.repeat(4, 0).repeat(4, 1))
    rows = list(tower(tower.views(large)))
    expected = tower.arrange(rows, grid)
    found = network.tower(torch.from_numpy(small)[None])[0]
    assert found.shape == (family.pictures.tokens_of((140 * grid[0], 140 * grid[1])), model.text_config["hidden_size"])
    whole = 0 if grid == (1, 1) else 5 * 6
    found, expected = found[whole:], expected[whole:]
    # The exported weights of patches are rounded to bfloat16.
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02 * expected.abs().max().item())


def test_squares_of_pixels_are_averaged() -> None:
    tile = np.arange(4 * 8 * 3, dtype=np.uint8).reshape(1, 4, 8, 3)
    found = averaged(MediaInput(tile, 1, None, (0, 0, 0), (1, 1, 1)), 2)
    assert found.pixels.shape == (1, 2, 4, 3)
    assert found.pixels[0, 0, 0, 0] == round(np.mean([tile[0, y, x, 0] for y in (0, 1) for x in (0, 1)]))


@torch.no_grad()
@pytest.mark.parametrize(("hidden", "heads"), [(128, 1), (256, 2)])
def test_resamplers_look_nearby_at_first(hidden: int, heads: int) -> None:
    torch.manual_seed(0)
    resampler = Resampler(ResamplerSizes(64, 32, hidden, heads))
    attend_nearby(resampler)
    positions = sincos_positions(8, 8, hidden)[None]
    values = resampler.ln_kv(resampler.kv_proj(torch.randn(1, 64, 32)))
    weights = resampler.attn(positions, values + positions, values, average_attn_weights=False)[1][0]
    places = torch.arange(64)
    near = (places[:, None] // 8 - places // 8).abs() <= 1
    near &= (places[:, None] % 8 - places % 8).abs() <= 1
    # Were it even, at most 9 of 64.
    assert ((weights * near).sum(-1).mean(-1) > 0.5).all()
