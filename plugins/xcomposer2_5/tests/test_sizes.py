"""Sizes that config.json does not tell come from the shapes of weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vlmplug.errors import CheckpointMismatchError
from vlmplug.model import LowRank
from vlmplug.parts.weight_headers import header_shapes
from vlmplug_xcomposer2_5.sizes import TowerSizes, low_rank_additions, tower_sizes

TOWER = "vit.vision_tower.vision_model."
POSITIONS, PATCHES = f"{TOWER}embeddings.position_embedding.weight", f"{TOWER}embeddings.patch_embedding.weight"
OFFICIAL = TowerSizes(width=1024, inner=4096, layers=24, patch=14, side=40, projected=4096, hidden=4096)
NAMES = ("wqkv", "wo", "w1", "w2", "w3")


def test_without_weights_the_sizes_are_those_of_the_official_code() -> None:
    assert tower_sizes({}, 4096) == OFFICIAL
    assert OFFICIAL.merged == 4096
    assert low_rank_additions({}) == dict.fromkeys(NAMES, LowRank(256))


def test_sizes_of_the_reference_checkpoint(golden: Path) -> None:
    shapes = header_shapes(golden / "tiny")
    assert tower_sizes(shapes, 128) == TowerSizes(
        width=128, inner=256, layers=2, patch=14, side=40, projected=128, hidden=128
    )
    assert low_rank_additions(shapes) == dict.fromkeys(NAMES, LowRank(16))


def test_ranks_may_differ_from_layer_to_layer() -> None:
    shapes = {"model.layers.0.attention.wqkv.Plora_A.weight": (8, 4096)}
    assert low_rank_additions(shapes) == {**dict.fromkeys(NAMES, LowRank(256)), "wqkv": LowRank(8)}


def test_layers_are_counted() -> None:
    shapes = {f"{TOWER}encoder.layers.{number}.mlp.fc1.weight": (4096, 1024) for number in (0, 9, 10)}
    assert tower_sizes(shapes, 4096) == replace(OFFICIAL, layers=11)


@pytest.mark.parametrize(
    ("positions", "patch"),
    [(577, 14), (257, 14), (1226, 14), (1601, 28), (1600, 14), (0, 14)],
    ids=["4khd-7b", "7b", "vl-7b", "other patches", "no class token", "none"],
)
def test_towers_that_see_other_tiles_are_refused(positions: int, patch: int) -> None:
    shapes = {POSITIONS: (positions, 1024), PATCHES: (1024, 3, patch, patch)}
    with pytest.raises(CheckpointMismatchError):
        tower_sizes(shapes, 4096)


@pytest.mark.parametrize("shape", [(1601,), (1601, 1024, 1), ()])
def test_weights_with_other_dimensions_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(CheckpointMismatchError, match="position_embedding"):
        tower_sizes({POSITIONS: shape}, 4096)
