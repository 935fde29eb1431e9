"""Two programs that take turns with the same work, on the same processor in each round.

A small model waits for the one thread that runs the engine, not for the GPU, and processors of a shared machine differ
by half in speed. So in each round both engines' threads are bound to the same processor, in the next one to another.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

TASKS = Path("/proc/self/task")
ROUNDS = 5

#: What a workload found: ``seconds``, and what else there is to say.
Found = dict[str, Any]


class Runner(Protocol):
    """One of the two programs."""

    def run(self, number: int, workload: str) -> Found:
        """One round of a workload, on a processor that the round's number chooses."""


class Bound:
    """An engine of this process, whose thread changes its processor from round to round.

    :param workloads: by name. ``typical``: the one that shows which thread runs the engine.
    """

    def __init__(self, workloads: Mapping[str, Callable[[], Found]], typical: str) -> None:
        self._workloads = workloads
        self._engine, self._processors = busiest_thread(workloads[typical]), sorted(os.sched_getaffinity(0))

    def run(self, number: int, workload: str) -> Found:
        """As `Runner`."""
        os.sched_setaffinity(self._engine, {self._processors[number * 3 % len(self._processors)]})
        return self._workloads[workload]()


class Process:
    """An engine of a child process, which answers with `serve`."""

    def __init__(self, command: Sequence[object]) -> None:
        arguments = [sys.executable, *map(str, command)]
        self.child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @cached_property
    def loaded(self) -> float:
        """Seconds that loading took; waits for it."""
        seconds: float = self._answer()["loaded"]
        return seconds

    def run(self, number: int, workload: str) -> Found:
        """As `Runner`."""
        assert self.child.stdin is not None
        self.child.stdin.write(f"{number} {workload}\n")
        self.child.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """Ends the child and frees what it holds."""
        self.child.kill()
        self.child.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        while line := self.child.stdout.readline():
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise SystemExit(f"{self.child.args!r} ended with {self.child.wait()}")


def serve(loaded: float, runner: Runner) -> None:
    """The child's side of `Process`: a line with a round's number and a workload's name in, a line of JSON out."""
    print(json.dumps({"loaded": loaded}), flush=True)
    for line in sys.stdin:
        number, name = line.split()
        print(json.dumps(runner.run(int(number), name)), flush=True)


def compare(ours: Runner, theirs: Runner, workload: str, rounds: int = ROUNDS) -> dict[str, Any]:
    """All rounds of one workload, the order swapped each time; a round more warms up."""
    pairs = []
    for number in range(-1, rounds):
        order = (ours, theirs) if number % 2 else (theirs, ours)
        times = {side: side.run(number + 1, workload) for side in order}
        pairs.append((times[ours], times[theirs]))
    counted = pairs[1:]
    return {
        "ratio": statistics.median(b["seconds"] / a["seconds"] for a, b in counted),
        "ours": [pair[0] for pair in counted],
        "theirs": [pair[1] for pair in counted],
    }


def busiest_thread(work: Callable[[], object]) -> int:
    """The thread that used the most processor time while something was done."""
    before = _ticks()
    work()
    after = _ticks()
    return max(after, key=lambda thread: after[thread] - before.get(thread, 0))


def _ticks() -> dict[int, int]:
    """Clock ticks in user and kernel mode of every thread of this process (Linux, proc(5))."""
    fields = {int(task.name): (task / "stat").read_text().rpartition(")")[2].split() for task in TASKS.iterdir()}
    return {thread: int(values[11]) + int(values[12]) for thread, values in fields.items()}
