"""Means and percentiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.bench.spread import Spread, percentile, spread


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0], Spread(2.0, 2.0, 2.0, 2.0, 2.0, 2.0)),
        ([3.0, 1.0], Spread(2.0, 2.0, 2.8, 2.98, 1.0, 3.0)),
        ([float(value) for value in range(101)], Spread(50.0, 50.0, 90.0, 99.0, 0.0, 100.0)),
    ],
)
def test_of_some_values(values: list[float], expected: Spread) -> None:
    found = spread(values)
    assert found is not None
    for name, value in vars(expected).items():
        assert math.isclose(getattr(found, name), value), name


def test_of_nothing_there_is_none() -> None:
    assert spread([]) is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.floats(0, 100))
def test_percentiles_are_those_of_numpy(values: list[float], percent: float) -> None:
    ranked = sorted(values)
    assert percentile(ranked, percent) == pytest.approx(float(np.percentile(ranked, percent)), rel=1e-9, abs=1e-9)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_the_order_of_values_and_figures(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert found.least <= found.p50 <= found.p90 <= found.p99 <= found.most
    assert found == spread(reversed(values))
