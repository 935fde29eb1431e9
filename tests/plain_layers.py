"""Layers written down as their formulas, for comparing towers with."""

from __future__ import annotations

from torch import Tensor

#: A layer's tensors by their names in it.
State = dict[str, Tensor]


def linear(state: State, name: str, hidden: Tensor) -> Tensor:
    """A matrix and its bias."""
    return hidden @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(state: State, name: str, hidden: Tensor) -> Tensor:
    """Layer norm with an epsilon of a millionth."""
    centred = hidden - hidden.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]
