"""The weights of a vision tower, before it has memory for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vlmplug.engine.language_shapes import Shape
from vlmplug.errors import CheckpointMismatchError, VlmplugError
from vlmplug.import_path import load
from vlmplug.model import TowerSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


@runtime_checkable
class ComputingTower(Protocol):
    """A tower with weights that it can compute, so that files may lack them."""

    def computed_weights(self) -> Mapping[str, Tensor]:
        """Their names, and float32 values on the CPU."""


def empty_tower(spec: TowerSpec) -> nn.Module:
    """A tower without memory for its weights.

    :raises CheckpointMismatchError: its builder fails on the configuration.
    """
    import torch

    try:
        with torch.device("meta"):
            tower: nn.Module = load(spec.builder)(spec.config)
    except VlmplugError:
        raise
    except Exception as error:
        raise CheckpointMismatchError(
            f"{spec.builder} cannot build the vision tower: {type(error).__name__}: {error}.",
            "Use the config.json of the official checkpoint; where it is that, report this to the plugin's author.",
        ) from error
    return tower


def weight_shapes(tower: nn.Module) -> dict[str, Shape]:
    """Every weight with its shape."""
    return {name: tuple(tensor.shape) for name, tensor in tower.state_dict().items()}


def computed_weights(tower: nn.Module) -> Mapping[str, Tensor]:
    """Weights that files may lack, with the values that they have then."""
    return tower.computed_weights() if isinstance(tower, ComputingTower) else {}


def tower_shapes(spec: TowerSpec) -> dict[str, Shape]:
    """Every weight of a tower, with its shape; nothing is allocated."""
    return weight_shapes(empty_tower(spec))
