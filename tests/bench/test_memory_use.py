"""Memory that is used right now."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from vlmplug.bench.memory_use import gpu_memory, memory_used, process_memory
from vlmplug.doctor.programs import Ended

TWO = "0, NVIDIA H200, 570.1, 1000, 600, 9.0\n1, NVIDIA H200, 570.1, 1000, 990, 9.0\n"
UNKNOWN = "0, NVIDIA GB10, 570.1, [N/A], [N/A], 12.1\n"


@pytest.mark.parametrize(
    ("code", "out", "expected"),
    [(0, TWO, 410 << 20), (0, UNKNOWN, None), (0, "", None), (9, "driver is broken", None)],
    ids=["two", "one that does not say", "none", "a broken driver"],
)
def test_of_gpus(code: int, out: str, expected: int | None) -> None:
    def ask(arguments: Sequence[str]) -> Ended:
        return Ended(code, out, "")

    assert gpu_memory(ask) == expected


def write_process(processes: Path, number: str, kilobytes: int, *children: str) -> Path:
    folder = processes / number
    for thread, started in (("1", children[:1]), ("2", children[1:])):
        (folder / "task" / thread).mkdir(parents=True)
        (folder / "task" / thread / "children").write_text(" ".join(started))
    (folder / "status").write_text(f"Name:\tx\nVmHWM:\t   99999 kB\nVmRSS:\t   {kilobytes} kB\n")
    return folder


def test_of_a_process_and_all_below_it(tmp_path: Path) -> None:
    write_process(tmp_path, "13", 4)
    write_process(tmp_path, "12", 2, "13")
    assert process_memory(write_process(tmp_path, "11", 1, "12", "14")) == 7 * 1024


def test_of_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert process_memory(tmp_path / "none") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says so")
def test_here() -> None:
    program = "import sys; held = bytearray(1) * 64_000_000; print(flush=True); sys.stdin.read()"
    before = memory_used("cpu")
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = memory_used("cpu")
        child.communicate()
    assert before is not None
    assert during is not None
    assert during - before > 50_000_000
