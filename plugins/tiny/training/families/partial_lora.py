"""Linear layers with low-rank additions that act at media positions alone, for models of transformers in training."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MediaMask:
    """Where in the current batch media stand; all additions of one model read it.

    ``positions``: bool [rows, length]; None: there are no media.
    """

    def __init__(self) -> None:
        self.positions: Tensor | None = None


class PartialLoraLinear(nn.Linear):
    """``y = W(x) + b``, and ``+ B(A(x))`` where the mask says so; the names of the additions are the official ones.

    :param linear: whose weights it takes over. :param down: A, which several layers may share.
    """

    def __init__(self, linear: nn.Linear, down: nn.Linear, mask: MediaMask) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None)
        self.weight, self.bias = linear.weight, linear.bias
        self.Plora_A = down
        self.Plora_B = nn.Linear(down.out_features, linear.out_features, bias=False)
        nn.init.normal_(self.Plora_B.weight, std=0.02)
        self.mask = mask

    def forward(self, hidden: Tensor) -> Tensor:
        out = F.linear(hidden, self.weight, self.bias)
        if self.mask.positions is None:
            return out
        added: Tensor = self.Plora_B(self.Plora_A(hidden))
        return out + added * self.mask.positions[..., None].to(added.dtype)


def give_additions(model: nn.Module, groups: Iterable[tuple[str, ...]], rank: int) -> MediaMask:
    """Puts additions of one rank into a model.

    :param groups: names of modules; the layers of a group, which stand in one module, share their A.
    :return: the mask that they read.
    """
    mask, wanted = MediaMask(), list(groups)
    for parent in list(model.modules()):
        for names in (group for group in wanted if hasattr(parent, group[0])):
            linears = [getattr(parent, name) for name in names]
            down = nn.Linear(linears[0].in_features, rank, bias=False)
            for name, linear in zip(names, linears, strict=True):
                setattr(parent, name, PartialLoraLinear(linear, down, mask))
    return mask


def mask_of(model: nn.Module) -> MediaMask | None:
    """The mask that a model's additions read; None: it has none."""
    return next((module.mask for module in model.modules() if isinstance(module, PartialLoraLinear)), None)


def interleaved(parts: tuple[Tensor, Tensor, Tensor], groups: int) -> Tensor:
    """Rows of queries, keys and values as InternLM2's ``wqkv`` holds them: by group, its queries, its key, its value.

    :param groups: key-value heads.
    """
    return torch.cat([part.unflatten(0, (groups, -1)) for part in parts], 1).flatten(0, 1)
