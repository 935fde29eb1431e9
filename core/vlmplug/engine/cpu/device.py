"""Which device lmdeploy is working for at the moment.

lmdeploy keeps one device context for the whole process. While at least one CPU engine lives, that context is the CPU;
when the last one is gone it is what it was before. So there is one kind of device in a process at a time, and each of
our patches asks :func:`on_cpu` before it does anything.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from lmdeploy.pytorch.devices import DefaultContext, DeviceContext, get_device_manager

from vlmplug.errors import DeviceError

CPU = "cpu"

_lock = threading.Lock()
_residents = 0
_before: DeviceContext = DefaultContext


def on_cpu() -> bool:
    """Is the CPU lmdeploy's current device?"""
    return bool(get_device_manager().current_context().device_type == CPU)


def occupy(resident: object) -> Callable[[], object]:
    """Make the CPU lmdeploy's device for as long as ``resident`` lives.

    :returns: ends it earlier; may be called more than once.
    :raises DeviceError: an engine on another device runs in this process.
    """
    global _residents, _before
    manager = get_device_manager()
    with _lock:
        if _residents == 0:
            if manager.current_context() is not DefaultContext:
                raise DeviceError(
                    f"An engine on {manager.current_context().device_type} runs in this process; lmdeploy knows one "
                    "device at a time.",
                    "Close it first, or start this engine in a process of its own.",
                )
            _before = manager.current_context()
            manager.set_context(DeviceContext(device_type=CPU))
        _residents += 1
    return weakref.finalize(resident, _leave)


def require_free(device_type: str) -> None:
    """Refuse another device while a CPU engine lives.

    :raises DeviceError: at least one CPU engine lives.
    """
    if _residents:
        raise DeviceError(
            f"device={device_type}: {_residents} CPU engine(s) run in this process; lmdeploy knows one device "
            "at a time.",
            "Close them first, or start this engine in a process of its own.",
        )


def _leave() -> None:
    global _residents
    with _lock:
        _residents -= 1
        if _residents == 0:
            get_device_manager().set_context(_before)
