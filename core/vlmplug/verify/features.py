"""The vision tower of a checkpoint on its own, for comparing what comes out of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from vlmplug.errors import EngineMissingError
from vlmplug.model import FamilyModel
from vlmplug.verify.checks import Array

Device = Literal["auto", "cuda", "cpu"]


class TowerProbe:
    """A vision tower outside the engine.

    :raises EngineMissingError: PyTorch is not installed. :raises WeightsError: as `load_tower`.
    """

    def __init__(self, model: FamilyModel, device: Device, dtype: str) -> None:
        try:
            import torch

            from vlmplug.engine.tower import load_tower
        except ImportError as error:
            raise EngineMissingError(
                f"The vision tower cannot be imported ({error}).", 'Run: pip install "vlmplug[engine]".'
            ) from error
        self._torch = torch
        self._device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        self._tower = load_tower(model, self._device, dtype)

    def rows(self, pixels: npt.NDArray[np.uint8]) -> Array:
        """uint8 [tiles, height, width, 3] -> float32 [tiles * tokens, hidden]."""
        with self._torch.inference_mode():
            output = self._tower(self._torch.from_numpy(pixels).to(self._device))
        rows: Array = output.flatten(0, 1).float().cpu().numpy()
        return rows
