"""Several probes look at once, and one that hangs holds up nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

from vlmplug.doctor.check import Check, Probe
from vlmplug.doctor.deadline import look_at_once


def test_probes_look_at_the_same_time_and_their_rows_keep_their_order() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def look(name: str) -> Iterator[Check]:
        meeting.wait()
        yield Check(name, "ok", "met")

    rows = look_at_once([Probe(name, partial(look, name)) for name in ("a", "b")], 10)
    assert [(row.subject, row.status) for row in rows] == [("a", "ok"), ("b", "ok")]


def test_a_probe_that_hangs_is_a_row() -> None:
    never = threading.Event()

    def hang() -> Iterator[Check]:
        never.wait()
        yield Check("a", "ok", "")

    begin = time.monotonic()
    hanging, quick = look_at_once([Probe("a", hang), Probe("b", lambda: [Check("b", "ok", "done")])], 0.2)
    assert time.monotonic() - begin < 5
    assert (hanging.subject, hanging.status) == ("a", "warning")
    assert "0.2 s" in hanging.found
    assert quick.found == "done"
    never.set()
