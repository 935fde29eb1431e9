"""How values are spread: mean, percentiles, extremes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Of some values: their mean, three percentiles, the least and the largest."""

    mean: float
    p50: float
    p90: float
    p99: float
    least: float
    most: float


def spread(values: Iterable[float]) -> Spread | None:
    """How values are spread; None where there are none."""
    ranked = sorted(values)
    if not ranked:
        return None
    middle, high, highest = (percentile(ranked, percent) for percent in (50, 90, 99))
    return Spread(math.fsum(ranked) / len(ranked), middle, high, highest, ranked[0], ranked[-1])


def percentile(ranked: Sequence[float], percent: float) -> float:
    """The value below which ``percent`` percent of sorted values lie, between two of them where it falls so.

    As numpy computes it by default (``linear``).
    """
    place = (len(ranked) - 1) * percent / 100
    low, high = ranked[math.floor(place)], ranked[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))
