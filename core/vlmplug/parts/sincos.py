"""Positions on a plane as sines and cosines."""

from __future__ import annotations

import torch
from torch import Tensor

_LONGEST = 10_000.0


def sincos_positions(rows: int, columns: int, size: int, device: torch.device | None = None) -> Tensor:
    """float32 [rows * columns, size], row by row.

    The first half tells the column, the second half the row; each is the sines, then the cosines, of the place times
    ``10000 ** (-4k / size)``. So does ``get_2d_sincos_pos_embed`` of MAE, and all code that took it over.

    :param size: a multiple of 4.
    """
    along_row, along_column = (_axis(count, size // 2, device) for count in (columns, rows))
    plane = torch.empty(rows, columns, size, device=device)
    plane[..., : size // 2] = along_row
    plane[..., size // 2 :] = along_column[:, None]
    return plane.flatten(0, 1)


def _axis(count: int, size: int, device: torch.device | None) -> Tensor:
    """float32 [count, size]."""
    exponents = torch.arange(size // 2, dtype=torch.float32, device=device) / (size / 2)
    angles = torch.arange(count, dtype=torch.float32, device=device)[:, None] * _LONGEST**-exponents
    return torch.cat([angles.sin(), angles.cos()], 1)
