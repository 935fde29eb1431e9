"""What a record says about the machine: its name, and the versions of what ran on it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

_LIBRARIES = ("vlmplug", "lmdeploy", "torch", "transformers", "pillow")


def resolved_device(device: str) -> str:
    """``cuda`` or ``cpu`` where the caller left the choice to the engine."""
    return "cuda" if device != "cpu" and _has_gpu() else "cpu" if device == "auto" else device


def machine_name(device: str) -> str:
    """The name of the GPU or the processor."""
    return _gpu_name() if device == "cuda" and _has_gpu() else processor_name()


def library_versions(distribution: str | None) -> Mapping[str, str]:
    """Versions of Python, of the libraries that a run depends on, and of a plugin's ``distribution``; those that are
    not installed are left out."""
    names = [*_LIBRARIES, *([distribution] if distribution else [])]
    return {"python": platform.python_version(), **{name: found for name in names if (found := installed(name))}}


def installed(distribution: str) -> str | None:
    """Version of an installed distribution; None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def processor_name() -> str:
    """The processor's name, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _has_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def _gpu_name() -> str:
    import torch

    return torch.cuda.get_device_name()
