"""Positions on a plane as sines and cosines."""

from __future__ import annotations

import math

import pytest
import torch

from vlmplug.parts.sincos import sincos_positions


def expected(place: int, column: int, size: int) -> float:
    """One value of one axis, by the definition."""
    half = size // 2
    angle = place / 10_000 ** ((column % half) / half)
    return math.sin(angle) if column < half else math.cos(angle)


@pytest.mark.parametrize(("rows", "columns", "size"), [(1, 1, 4), (3, 5, 8), (181, 6, 16), (2, 90, 256)])
def test_the_first_half_tells_the_column_and_the_second_the_row(rows: int, columns: int, size: int) -> None:
    found = sincos_positions(rows, columns, size)
    by_definition = [
        [expected(x if k < size // 2 else y, k % (size // 2), size // 2) for k in range(size)]
        for y in range(rows)
        for x in range(columns)
    ]
    torch.testing.assert_close(found, torch.tensor(by_definition), atol=2e-5, rtol=0)


def test_a_larger_plane_has_the_smaller_one_in_its_corner() -> None:
    small, large = sincos_positions(3, 4, 32).view(3, 4, 32), sincos_positions(9, 7, 32).view(9, 7, 32)
    assert torch.equal(large[:3, :4], small)
