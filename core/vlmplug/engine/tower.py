"""Vision towers: built from their specification, filled from the checkpoint."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from safetensors import safe_open
from torch import Tensor, nn

from vlmplug.engine.device import keep_float32_exact
from vlmplug.engine.tower_weights import computed_weights, empty_tower
from vlmplug.engine.weight_names import WeightRoute
from vlmplug.engine.weights import check_weights, weight_files
from vlmplug.errors import WeightsError
from vlmplug.import_path import load
from vlmplug.model import FamilyModel, TowerSpec


def build_tower(spec: TowerSpec, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """A tower in evaluation mode; its weights hold no values yet, but for those that it computes."""
    tower = _allocated(empty_tower(spec).to(dtype), device).eval()
    fill_tower(tower, computed_weights(tower).items())
    return tower


def _allocated(tower: nn.Module, device: torch.device) -> nn.Module:
    """The tower with memory for its weights, as `torch.nn.Module.to_empty` gives it; that one imports sympy for it,
    which takes a fifth of a worker's start."""
    for module in tower.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(_empty(weight, device), weight.requires_grad))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, _empty(buffer, device))
    return tower


def _empty(like: Tensor, device: torch.device) -> Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device=device)


def fill_tower(tower: nn.Module, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
    """Copies weights into a tower; returns the names that were given.

    :raises WeightsError: a name or shape that the tower does not have.
    """
    state, given = tower.state_dict(), set()
    for name, tensor in weights:
        if name not in state or state[name].shape != tensor.shape:
            raise WeightsError(f"The vision tower has no weight {name} of shape {list(tensor.shape)}.")
        state[name].copy_(tensor)
        given.add(name)
    return given


def load_tower(model: FamilyModel, device: str = "cpu", dtype: str = "float32") -> nn.Module:
    """The vision tower of a checkpoint on its own, outside the engine: uint8 [n, height, width, 3] ->
    [n, tokens, hidden].

    :raises WeightsError: weights are missing, unexpected or misshapen.
    """
    check_weights(model)
    keep_float32_exact(getattr(torch, dtype), torch.device(device))  # workers that share the language model do theirs
    tower = build_tower(model.tower, getattr(torch, dtype), torch.device(device))
    route: WeightRoute = load(model.weight_route)
    for file in weight_files(model.folder):
        with safe_open(file, framework="pt") as tensors, torch.no_grad():
            routed = ((route(name), name) for name in tensors.keys())  # noqa: SIM118
            fill_tower(tower, ((inner, tensors.get_tensor(name)) for (part, inner), name in routed if part == "vision"))
    return tower
