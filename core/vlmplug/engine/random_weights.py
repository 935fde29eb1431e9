"""Seeded random weights under the names that a model reads, for runs of true size without a checkpoint."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

import torch

from vlmplug.engine.language_shapes import Shape

#: Spread of normal draws, as language models are initialised.
_STD = 0.02


def random_weights(shapes: Mapping[str, Shape], seed: int, device: torch.device) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, float32 tensor) for every name; a value depends on seed, name and device kind only.

    Norm and scale vectors are ones, biases zeros, everything else normal draws, so that activations stay finite.
    """
    for name, shape in shapes.items():
        yield name, _drawn(name, shape, seed, device)


def _drawn(name: str, shape: Shape, seed: int, device: torch.device) -> torch.Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape, device=device)
    if len(shape) == 1:
        return torch.ones(shape, device=device)
    # one 32-bit number of both: the CPU's generator ignores the upper half of a seed
    generator = torch.Generator(device).manual_seed(zlib.crc32(f"{seed} {name}".encode()))
    return torch.randn(shape, generator=generator, device=device) * _STD
