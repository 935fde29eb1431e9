"""Seeded random weights under the names that a model reads, for runs of true size without a checkpoint."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

import torch

from vlmplug.engine.awq import is_packed
from vlmplug.engine.language_shapes import Shape

#: Spread of normal draws, as language models are initialised.
_STD = 0.02
#: Root mean square of a uniform 4-bit number less 7 or 8, either equally often: their mean is then zero.
_NUMBER_RMS = 21.5**0.5
#: Scales spread by half around their mean; this is by how much that raises their root mean square.
_SCALE_RMS = (13 / 12) ** 0.5
_SEVENS, _ONES = 0x77777777, 0x11111111


def random_weights(shapes: Mapping[str, Shape], seed: int, device: torch.device) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, float32 tensor) for every name; a value depends on seed, name and device kind only.

    Norm and scale vectors are ones, biases zeros, everything else normal draws, so that activations stay finite. AWQ
    layers are as wide: packed numbers (int32) are uniform, zeros lie in their middle, scales are drawn to suit.
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
    if is_packed(name):
        return _packed(name, shape, generator)
    if name.endswith(".scales"):
        return (torch.rand(shape, generator=generator, device=device) + 0.5) * (_STD / _NUMBER_RMS / _SCALE_RMS)
    return torch.randn(shape, generator=generator, device=device) * _STD


def _packed(name: str, shape: Shape, generator: torch.Generator) -> torch.Tensor:
    """Eight 4-bit numbers in each int32: any as weights, 7 or 8 as zeros."""
    bits = torch.iinfo(torch.int32)
    device = generator.device
    drawn = torch.randint(bits.min, bits.max, shape, generator=generator, device=device, dtype=torch.int32)
    return drawn.bitwise_and_(_ONES).add_(_SEVENS) if name.endswith(".qzeros") else drawn
