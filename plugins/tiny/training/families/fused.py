"""Language models whose official files hold query, key and value of a layer in one matrix."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from training.families.description import Tensors

#: transformers' name of the first part; the others follow it.
QUERY = "self_attn.q_proj"
FOLLOWING = re.compile(r"self_attn\.[kv]_proj")


def fused(trained: Tensors, names: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """transformers' tensors under official names, their three projections as one, below each other.

    :param names: parts of transformers' names and what they are officially; `QUERY` becomes the name of the whole.
    """
    return {renamed(name, names): _whole(name, trained) for name in trained if not FOLLOWING.search(name)}


def renamed(name: str, names: Sequence[tuple[str, str]]) -> str:
    """The official name."""
    for own, officially in names:
        name = name.replace(own, officially)
    return name


def projections(query: str, trained: Tensors) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value of a layer, by the name of the first."""
    first, second, third = (trained[query.replace("q_proj", f"{letter}_proj")] for letter in "qkv")
    return first, second, third


def _whole(name: str, trained: Tensors) -> Tensor:
    return torch.cat(projections(name, trained)) if QUERY in name else trained[name]
