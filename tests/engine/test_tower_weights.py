"""What is known of a tower's weights before they have memory, and those that it computes itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vlmplug.engine.tower import build_tower
from vlmplug.engine.tower_weights import computed_weights, empty_tower, tower_shapes
from vlmplug.errors import CheckpointMismatchError
from vlmplug.model import TowerSpec

SPEC = TowerSpec(f"{__name__}:build", {"places": 3})


class Placed(nn.Module):
    """A tower whose places are counted, where no file says them."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.zeros(places))
        self.scale = nn.Parameter(torch.zeros(2, places))

    def computed_weights(self) -> dict[str, Tensor]:
        return {"places": torch.arange(float(len(self.places)))}


def build(config: Mapping[str, Any]) -> nn.Module:
    return Placed(config["places"])


def build_plain(config: Mapping[str, Any]) -> nn.Module:
    return nn.Linear(config["places"], 2)


def test_a_tower_that_cannot_be_built_is_named() -> None:
    with pytest.raises(CheckpointMismatchError, match=r"test_tower_weights:build cannot build .*KeyError: 'places'"):
        tower_shapes(TowerSpec(SPEC.builder, {}))


def test_shapes_need_no_memory() -> None:
    assert tower_shapes(SPEC) == {"places": (3,), "scale": (2, 3)}
    assert all(weight.is_meta for weight in empty_tower(SPEC).parameters())


def test_a_tower_computes_what_files_may_lack() -> None:
    assert list(computed_weights(empty_tower(SPEC))) == ["places"]
    tower = build_tower(SPEC, torch.float16, torch.device("cpu"))
    torch.testing.assert_close(tower.state_dict()["places"], torch.tensor([0, 1, 2], dtype=torch.float16))


def test_most_towers_compute_nothing() -> None:
    assert computed_weights(empty_tower(TowerSpec(f"{__name__}:build_plain", {"places": 3}))) == {}
