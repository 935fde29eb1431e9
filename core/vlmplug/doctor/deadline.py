"""Several slow questions at once, none of which can hold up the doctor."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from vlmplug.doctor.check import Check, Probe


def look_at_once(probes: Iterable[Probe], seconds: float) -> list[Check]:
    """The rows of all probes, in their order; a row that says so for one that is not done in ``seconds``.

    Those run in threads that die with the process: looking up a host's name knows no deadline of its own.
    """
    begun = [_Look(probe) for probe in probes]
    end = time.monotonic() + seconds
    return [row for look in begun for row in look.rows(end - time.monotonic(), seconds)]


class _Look:
    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._rows: list[Check] | None = None
        self._thread = threading.Thread(target=self._look, name=f"doctor: {probe.subject}", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        self._rows = self._probe.rows()

    def rows(self, left: float, seconds: float) -> list[Check]:
        self._thread.join(max(0.0, left))
        if self._rows is not None:
            return self._rows
        found = f"no answer within {seconds:g} s"
        return [Check(self._probe.subject, "warning", found, fix="Try again.", group=self._probe.group)]
