"""What lmdeploy's modules see instead of ``torch.cuda`` while the CPU is the current device.

lmdeploy orders its work with CUDA streams and events. On the CPU work is done when the call returns, so that both are
inert. Only the name ``torch`` in single lmdeploy modules is replaced; the real module is never changed.
"""

from __future__ import annotations

import contextlib
from types import ModuleType
from typing import Any

import torch

from vlmplug.engine.cpu.device import on_cpu


class InertStream:
    """A stream on which nothing waits."""

    def wait_event(self, event: object) -> None:
        """Nothing to wait for."""

    def wait_stream(self, stream: object) -> None:
        """Nothing to wait for."""

    def record_event(self, event: InertEvent | None = None) -> InertEvent:
        """The event, or a new one."""
        return event or InertEvent()

    def query(self) -> bool:
        """All work is done."""
        return True

    def synchronize(self) -> None:
        """Nothing to wait for."""


class InertEvent:
    """An event that has always happened."""

    def record(self, stream: object = None) -> None:
        """Nothing to remember."""

    def wait(self, stream: object = None) -> None:
        """Nothing to wait for."""

    def query(self) -> bool:
        """It has happened."""
        return True

    def synchronize(self) -> None:
        """Nothing to wait for."""


class InertCuda:
    """The part of ``torch.cuda`` that lmdeploy's engine uses on every device."""

    Stream = InertStream
    Event = InertEvent

    def __init__(self) -> None:
        self._default = InertStream()

    def current_stream(self, device: object = None) -> InertStream:
        """The one default stream."""
        return self._default

    def stream(self, stream: object) -> contextlib.AbstractContextManager[None]:
        """A context that changes nothing."""
        return contextlib.nullcontext()

    def synchronize(self, device: object = None) -> None:
        """Nothing to wait for."""

    def empty_cache(self) -> None:
        """Nothing is cached."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch.cuda, name)


class TorchView(ModuleType):
    """``torch`` with an inert ``cuda`` while the CPU is lmdeploy's current device, and with the real one otherwise."""

    def __init__(self) -> None:
        super().__init__("torch")
        self._inert = InertCuda()

    @property
    def cuda(self) -> Any:
        """The real ``torch.cuda`` or its stand-in."""
        return self._inert if on_cpu() else torch.cuda

    def __getattr__(self, name: str) -> Any:
        value = getattr(torch, name)
        setattr(self, name, value)  # a hundred lookups a step: later ones find it in the module
        return value
