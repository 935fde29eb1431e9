"""The vision tower of a checkpoint on its own, for comparing what comes out of it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vlmplug.errors import EngineMissingError
from vlmplug.model import FamilyModel, MediaInput
from vlmplug.verify.checks import Array

Device = Literal["auto", "cuda", "cpu"]


class TowerProbe:
    """A vision tower outside the engine.

    :raises EngineMissingError: PyTorch is not installed. :raises WeightsError: as `load_tower`.
    """

    def __init__(self, model: FamilyModel, device: Device, dtype: str) -> None:
        try:
            import torch

            from vlmplug.engine import tower_rows
            from vlmplug.engine.tower import load_tower
        except ImportError as error:
            raise EngineMissingError(
                f"The vision tower cannot be imported ({error}).", 'Run: pip install "vlmplug[engine]".'
            ) from error
        self._torch, self._rows = torch, tower_rows
        self._device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        self._tower = load_tower(model, self._device, dtype)

    def rows(self, media: MediaInput) -> Array:
        """What one media item puts into the language model: float32 [tokens, hidden]."""
        arrays = [np.require(group, requirements=("C", "W")) for group in media.groups]
        groups = [self._torch.from_numpy(array).to(self._device) for array in arrays]
        with self._torch.inference_mode():
            (output,) = self._rows.item_rows(self._tower, [self._rows.TowerItem(groups, media.grid)], media.tiles)
        rows: Array = output.float().cpu().numpy()
        return rows
