"""The learning rate over a training run that is bounded by time, not by steps."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Schedule:
    """Linear warm-up over ``warmup`` steps; cosine over ``seconds`` from ``start``, a monotonic time."""

    peak: float
    seconds: float
    warmup: int
    floor: float = 0.005
    start: float = field(default_factory=time.monotonic)

    def share(self) -> float:
        """How much of the time is spent, 0 to 1."""
        return min((time.monotonic() - self.start) / self.seconds, 1.0)

    def rate(self, step: int) -> float:
        """The learning rate of a step (counted from 0 in this run), at this moment."""
        wave = 0.5 * (1 + math.cos(math.pi * self.share()))
        return self.peak * min(1.0, (step + 1) / self.warmup) * (self.floor + (1 - self.floor) * wave)

    @property
    def over(self) -> bool:
        return self.share() >= 1.0
