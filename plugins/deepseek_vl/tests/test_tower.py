"""Towers and projectors against transformers' own, from the same official weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import Resize

from plugins.deepseek_vl.tests.conftest import Load
from plugins.deepseek_vl.tests.native_checkpoint import CLIP, native_model
from vlmplug.engine.tower import load_tower
from vlmplug.model import FamilyModel
from vlmplug_deepseek_vl import tower as towers
from vlmplug_deepseek_vl.tower import HybridAligner, SingleAligner, SingleTower, build_tower, normalise, shrunk
from vlmplug_deepseek_vl.vision import Aligner, Normalisation, Vision

HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NOTHING = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def pictures(count: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(side)
    coarse = torch.randint(0, 256, (count, 3, 24, 24), generator=generator, dtype=torch.uint8)
    return F.interpolate(coarse.float(), (side, side), mode="bilinear").permute(0, 2, 3, 1).to(torch.uint8)


def native_of(folder: Path) -> Any:
    config = json.loads((folder / "config.json").read_text())
    return native_model(config, load_file(folder / "model.safetensors"))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=2e-5)


@torch.inference_mode()
def test_siglip_and_its_projector_are_transformers_own(single: Path, load: Load) -> None:
    tiles = pictures(2, 384)
    pixels = tiles.permute(0, 3, 1, 2).float() / 127.5 - 1
    expected = native_of(single).model.get_image_features(pixels, return_dict=True).pooler_output
    close(load_tower(load(single))(tiles), expected)


@torch.inference_mode()
def test_both_towers_and_their_projector_are_transformers_own(golden: Path, model: FamilyModel) -> None:
    tiles = pictures(2, 1024)
    colours = tiles.permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(CLIP[key])[:, None, None] for key in ("mean", "std"))
    low = Resize(384, antialias=True)(colours)
    native = native_of(golden / "tiny_7b")
    expected = native.model.get_image_features((low - 0.5) / 0.5, (colours - mean) / std, return_dict=True)
    close(load_tower(model)(tiles), expected.pooler_output)


@pytest.mark.parametrize("at_once", [1, 2])
@torch.inference_mode()
def test_pictures_do_not_depend_on_how_many_go_through_at_once(
    model: FamilyModel, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower, tiles = load_tower(model), pictures(3, 1024)
    alone = torch.cat([tower(tile[None]) for tile in tiles])
    seen: list[int] = []
    tower.sam.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    monkeypatch.setattr(towers, "PICTURES_AT_ONCE", at_once)
    close(tower(tiles), alone)
    assert (max(seen), sum(seen)) == (at_once, 3)


@torch.inference_mode()
def test_scaling_down_is_that_of_torchvision() -> None:
    colours = pictures(1, 1024).permute(0, 3, 1, 2).float() / 255
    assert torch.equal(shrunk(colours, 384), Resize(384, antialias=True)(colours))
    half = colours.bfloat16()
    assert torch.equal(shrunk(half, 384), Resize(384, antialias=True)(half))


def test_normalising() -> None:
    colours = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1)
    assert normalise(colours, HALF).flatten().tolist() == [-1, 0, 1]
    assert normalise(colours, None) is colours
    assert normalise(colours.half(), HALF).dtype == torch.float16


@torch.inference_mode()
def test_the_processors_normalisation_comes_before_the_towers_own(single: Path, load: Load) -> None:
    read = Vision.from_data(load(single).tower.config)
    tiles = pictures(1, 384)
    torch.manual_seed(2)
    usual = build_tower(read.to_data()).eval()
    for parameter in usual.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)

    def out(vision: Vision) -> Tensor:
        tower = build_tower(vision.to_data()).eval()
        tower.load_state_dict(usual.state_dict())
        assert isinstance(tower, SingleTower)
        found: Tensor = tower(tiles)
        return found

    by_processor = replace(read, siglip=replace(read.siglip, normalisation=None), input=HALF)
    twice, never = replace(read, input=HALF), replace(read, siglip=replace(read.siglip, normalisation=None))
    close(out(by_processor), usual(tiles))
    close(out(replace(read, input=NOTHING)), usual(tiles))
    assert not torch.allclose(out(twice), usual(tiles), atol=1e-2)
    assert not torch.allclose(out(never), usual(tiles), atol=1e-2)


@torch.inference_mode()
def test_high_resolution_comes_first_in_the_projector() -> None:
    torch.manual_seed(3)
    aligner, high, low = HybridAligner(Aligner(6, 8, 2)), torch.randn(1, 4, 6), torch.randn(1, 4, 6)
    joined = torch.cat([aligner.high_up_proj(high), aligner.low_up_proj(low)], -1)
    close(aligner(high, low), aligner.layers[1](F.gelu(joined)))
    assert not torch.allclose(aligner(high, low), aligner(low, high), atol=1e-3)


@pytest.mark.parametrize(
    ("depth", "single", "hybrid"),
    [
        (1, {"layers.0"}, set()),
        (2, {"layers.0", "layers.2"}, {"layers.1"}),
        (3, {"layers.0", "layers.2", "layers.4"}, {"layers.1", "layers.3"}),
    ],
)
def test_a_projector_has_as_many_layers_as_its_depth_says(depth: int, single: set[str], hybrid: set[str]) -> None:
    def layers(aligner: torch.nn.Module) -> set[str]:
        return {name.removesuffix(".weight") for name in aligner.state_dict() if name.endswith("weight")}

    assert layers(SingleAligner(Aligner(6, 8, depth))) == single
    assert layers(HybridAligner(Aligner(6, 8, depth))) == {"high_up_proj", "low_up_proj", *hybrid}
