"""NEVER EDIT: a vision tower written for hook API 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class MosaicTower(nn.Module):
    """uint8 [n, height, width, 3] -> [n, tokens, width]."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.projector = nn.Linear(3, width)

    def forward(self, pixels: Tensor) -> Tensor:
        mean = pixels.to(self.projector.weight.dtype).mean(dim=(1, 2)) / 255
        projected: Tensor = self.projector(mean)
        return projected[:, None].expand(-1, self.tokens, -1)


def build_tower(config: Mapping[str, Any]) -> nn.Module:
    return MosaicTower(config["tokens"], config["width"])
