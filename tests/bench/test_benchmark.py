"""How the requests of a job are sent; `tests/cli/test_bench.py` runs whole ones."""

from __future__ import annotations

import pytest

from vlmplug.bench.benchmark import MOST_AT_ONCE, Plan
from vlmplug.errors import OptionError


@pytest.mark.parametrize(
    ("plan", "requests", "at_once", "before"),
    [
        (Plan(), 1, 1, 1),
        (Plan(), 32, 32, 8),
        (Plan(), 5000, MOST_AT_ONCE, 8),
        (Plan(4), 32, 4, 4),
        (Plan(400), 5000, 400, 8),
        (Plan(4), 2, 2, 2),
        (Plan(4, 0), 32, 4, 0),
        (Plan(warm_up=20), 3, 3, 20),
    ],
)
def test_what_is_not_said_follows_from_the_number_of_requests(
    plan: Plan, requests: int, at_once: int, before: int
) -> None:
    assert (plan.at_once(requests), plan.before(requests)) == (at_once, before)


@pytest.mark.parametrize(
    ("concurrency", "warm_up", "says"),
    [(0, None, "concurrency is 0"), (-1, 2, "concurrency is -1"), (1, -1, "warm_up is -1")],
)
def test_what_makes_no_sense(concurrency: int, warm_up: int | None, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        Plan(concurrency, warm_up)
