"""The learning rate: a warm-up in steps, then a cosine in time."""

from __future__ import annotations

import pytest

from training.schedule import Schedule


@pytest.mark.parametrize(
    ("elapsed", "step", "expected"),
    [(0.0, 0, 0.1), (0.0, 4, 0.5), (0.0, 9, 1.0), (0.5, 100, 0.5025), (1.0, 100, 0.005), (7.0, 100, 0.005)],
)
def test_the_rate_rises_then_falls_with_the_time(
    elapsed: float, step: int, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = Schedule(peak=1.0, seconds=60.0, warmup=10, start=1000.0)
    monkeypatch.setattr("training.schedule.time.monotonic", lambda: 1000.0 + 60.0 * elapsed)
    assert schedule.rate(step) == pytest.approx(expected)
    assert schedule.over == (elapsed >= 1.0)
