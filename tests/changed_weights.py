"""Checkpoints whose weights were tampered with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

Weights = dict[str, np.ndarray]
Change = Callable[[Weights], object]


def without(name: str) -> Change:
    """A tensor less."""
    return lambda weights: weights.pop(name)


def with_another(name: str, *shape: int) -> Change:
    """A tensor of zeros more, or in the place of one."""
    return lambda weights: weights.update({name: np.zeros(shape, np.float32)})


def write_changed(checkpoint: Path, folder: Path, change: Change) -> None:
    """Fills a folder with the files of a checkpoint, whose weights are changed."""
    for file in checkpoint.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).symlink_to(file)
    weights = load_file(checkpoint / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")
