"""How much memory is used right now: of the GPUs by everybody, or of this machine by this process and its workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlmplug.doctor.nvidia import Ask, NvidiaUnusableError, read_nvidia_report
from vlmplug.engine.cpu.proc import read_text

_THIS_PROCESS = Path("/proc/self")


def memory_used(device: str) -> int | None:
    """Bytes used on all GPUs (``cuda``), or by this process and those below it (``cpu``); None: it cannot be told."""
    return gpu_memory() if device == "cuda" else process_memory()


def gpu_memory(ask: Ask | None = None) -> int | None:
    """Bytes used on all GPUs, by whomever, as their driver says."""
    try:
        report = read_nvidia_report(ask)
    except NvidiaUnusableError:
        return None
    sizes = [(gpu.total, gpu.free) for gpu in report.gpus] if report is not None else []
    used = [total - free for total, free in sizes if total is not None and free is not None]
    return sum(used) if used else None


def process_memory(process: Path = _THIS_PROCESS) -> int | None:
    """Resident bytes of a process and of all below it; None where the system does not say (not Linux).

    :param process: its folder below ``/proc``.
    """
    own = _resident(process)
    if own is None:
        return None
    return own + sum(process_memory(child) or 0 for child in _children(process))


def _resident(process: Path) -> int | None:
    lines = read_text(process / "status").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), None)


def _children(process: Path) -> Iterator[Path]:
    """Each thread has a list of those that it started."""
    for started in process.glob("task/*/children"):
        yield from (process.parent / number for number in read_text(started).split())
