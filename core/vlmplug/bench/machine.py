"""What a reader has to know about the machine to judge figures that were measured on it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from vlmplug.doctor.nvidia import NvidiaUnusableError, read_nvidia_report
from vlmplug.verify.machine import processor_name


@dataclass(frozen=True)
class Machine:
    """``cores``: those that this process may use. ``memory``: bytes; None: unknown. ``gpus``: names, as the driver
    numbers them."""

    system: str
    processor: str
    cores: int
    memory: int | None
    gpus: tuple[str, ...]


def this_machine() -> Machine:
    """The machine that this runs on."""
    from vlmplug.engine.cpu.threads import usable_cores

    return Machine(f"{platform.system()} {platform.machine()}", processor_name(), usable_cores(), _memory(), _gpus())


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system, or one that does not say
        return None


def _gpus() -> tuple[str, ...]:
    try:
        report = read_nvidia_report()
    except NvidiaUnusableError:
        return ()
    return tuple(gpu.name for gpu in report.gpus) if report is not None else ()
