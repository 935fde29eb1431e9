"""The vision tower and the resampler in plain PyTorch, under the official parameter names.

They follow ``modeling_minicpmv.py`` and ``resampler.py`` of MiniCPM-Llama3-V-2_5 and MiniCPM-V-2_6 (openbmb). Where the
official 2.5 pads the slices of a request into one batch, its results depend on the other slices, because its mask
lets the padding take part; here every slice is what the official code makes of it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vlmplug.parts.navit import NavitSizes, NavitTransformer, PositionRule, flat_positions, grid_positions
from vlmplug.parts.resampler import Resampler, ResamplerSizes
from vlmplug.parts.sincos import sincos_positions
from vlmplug.parts.vit import normalised

#: By ``positions`` of the tower's configuration.
POSITION_RULES: Mapping[str, PositionRule] = {"flat": flat_positions, "grid": grid_positions}


class MiniCPMVResampler(Resampler):
    """Patches [n, rows * columns, width] -> [n, queries, hidden]."""

    def __init__(self, sizes: ResamplerSizes) -> None:
        super().__init__(sizes)
        self.ln_post = nn.LayerNorm(sizes.hidden, sizes.eps)
        self.proj = nn.Parameter(torch.zeros(sizes.hidden, sizes.hidden))

    def forward(self, patches: Tensor, rows: int, columns: int) -> Tensor:
        keys = sincos_positions(rows, columns, self.proj.shape[0], patches.device)
        out: Tensor = self.ln_post(self.attend(patches, keys)) @ self.proj
        return out


class MiniCPMVTower(nn.Module):
    """The whole way from slices to what the language model reads in place of word embeddings.

    :param config: what `vlmplug_minicpm_v.config.tower_config` returns.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        sizes = NavitSizes(**config["vision"])
        self._patch, self._mean, self._std = sizes.patch, config["mean"], config["std"]
        self.vpm = NavitTransformer(sizes, POSITION_RULES[config["positions"]])
        self.resampler = MiniCPMVResampler(ResamplerSizes(width=sizes.width, **config["resampler"]))

    def normalise(self, slices: Tensor) -> Tensor:
        """uint8 [n, H, W, 3] -> [n, 3, H, W] in the dtype of the weights; computed in float32 as officially."""
        return normalised(slices, self._mean, self._std, self.resampler.proj.dtype)

    def forward(self, slices: Tensor) -> Tensor:
        """uint8 [n, H, W, 3] -> [n, queries, hidden size of the language model]; sides are whole patches."""
        rows, columns = (side // self._patch for side in slices.shape[1:3])
        out: Tensor = self.resampler(self.vpm(self.normalise(slices)), rows, columns)
        return out


def build_tower(config: Mapping[str, Any]) -> MiniCPMVTower:
    """The tower of a configuration; weights are loaded afterwards."""
    return MiniCPMVTower(config)
