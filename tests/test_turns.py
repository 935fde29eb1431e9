"""Programs that take turns: the order, what counts, and a child process that answers."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from benchmarks.turns import Bound, Found, Process, busiest_thread, compare

ROOT = Path(__file__).resolve().parents[1]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and binds threads")

CHILD = """
import sys
sys.path.insert(0, {root!r})
from benchmarks.turns import serve

class Runner:
    def run(self, number, workload):
        print("not a line of JSON")
        return {{"seconds": number + 1.0, "workload": workload}}

serve(2.5, Runner())
"""


class Side:
    """Takes as many seconds as it is told."""

    def __init__(self, name: str, seconds: list[float], log: list[str]) -> None:
        self._name, self._seconds, self._log = name, seconds, log

    def run(self, number: int, workload: str) -> Found:
        self._log.append(f"{number} {self._name} {workload}")
        return {"seconds": self._seconds[number]}


def test_sides_swap_and_the_first_round_only_warms_up() -> None:
    log: list[str] = []
    ours, theirs = Side("ours", [90.0, 1.0, 2.0, 4.0], log), Side("theirs", [1.0, 2.0, 2.0, 2.0], log)
    found = compare(ours, theirs, "text", rounds=3)
    assert found["ratio"] == 1.0
    assert found["ours"] == [{"seconds": seconds} for seconds in (1.0, 2.0, 4.0)]
    assert log[:4] == ["0 ours text", "0 theirs text", "1 theirs text", "1 ours text"]


def test_a_child_process_loads_and_answers(tmp_path: Path) -> None:
    program = tmp_path / "child.py"
    program.write_text(CHILD.format(root=str(ROOT)))
    child = Process([program])
    try:
        assert child.loaded == 2.5
        assert child.run(3, "texts") == {"seconds": 4.0, "workload": "texts"}
    finally:
        child.end()
    assert child.child.returncode is not None


def test_a_child_that_ends_is_an_error(tmp_path: Path) -> None:
    program = tmp_path / "child.py"
    program.write_text("raise SystemExit(3)")
    child = Process([program])
    with pytest.raises(SystemExit, match="ended with 3"):
        _ = child.loaded


@LINUX
def test_the_thread_of_an_engine_is_bound_and_no_other() -> None:
    work, done, engine = threading.Event(), threading.Event(), threading.Event()

    def serve() -> None:
        while work.wait() and not engine.is_set():
            sum(range(10_000_000))
            work.clear()
            done.set()

    def ask() -> Found:
        done.clear()
        work.set()
        done.wait()
        return {"seconds": 1.0}

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert busiest_thread(ask) == thread.native_id
        before = os.sched_getaffinity(0)
        bound = Bound({"text": ask}, "text")
        assert bound.run(0, "text") == {"seconds": 1.0}
        assert os.sched_getaffinity(thread.native_id or 0) == {min(before)}
        assert os.sched_getaffinity(0) == before
    finally:
        engine.set()
        work.set()
        thread.join()
