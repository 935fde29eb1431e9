"""GPUs, as the driver and PyTorch see them, and whether both fit together and the engine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from vlmplug.doctor.check import Check
from vlmplug.doctor.nvidia import NvidiaGpu, NvidiaReport
from vlmplug.doctor.size import gib
from vlmplug.doctor.torch_report import TorchGpu, TorchReport
from vlmplug.engine.capability import BFLOAT16_CAPABILITY, LEAST_CAPABILITY, dotted

_CPU = "; or use device cpu"
#: First drivers for Linux that run programs of a CUDA (NVIDIA, CUDA Compatibility, "minor version compatibility").
_FIRST_DRIVERS: Mapping[int, str] = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
_ARCHITECTURE = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)$")
#: Share of a GPU's memory below which something else evidently uses it.
_MOSTLY_FREE = 0.75


def check_gpus(driver: NvidiaReport | None, torch: TorchReport | None) -> Iterator[Check]:
    """:param driver: None: no driver of NVIDIA. :param torch: None: not installed, or it cannot be imported."""
    seen = torch.gpus if torch is not None else ()
    if driver is None and not seen:
        yield _without_gpu(torch)
        return
    if driver is not None:
        yield _driver_row(driver, torch)
    if torch is not None:
        yield from _torch_rows(torch, driver)
    for gpu in driver.gpus if driver is not None and driver.gpus else map(_as_seen, range(len(seen)), seen):
        yield _gpu_row(gpu, torch)


def _without_gpu(torch: TorchReport | None) -> Check:
    found = "none"
    if torch is not None and torch.hip is not None:
        found = "none; this PyTorch is built for AMD's ROCm, which the engine does not know"
    needed = f"for CUDA: a GPU of NVIDIA, compute capability {dotted(LEAST_CAPABILITY)} or newer"
    return Check("GPU", "note", found, needed)


def _driver_row(driver: NvidiaReport, torch: TorchReport | None) -> Check:
    cuda = f", CUDA up to {dotted(driver.cuda)}" if driver.cuda else ""
    row = Check("NVIDIA driver", "ok", f"{driver.driver or 'of unknown version'}{cuda}")
    if torch is None or torch.cuda is None or driver.cuda is None:
        return row
    built = tuple(int(part) for part in torch.cuda.split(".")[:2])
    needed = f"CUDA {torch.cuda} (PyTorch {torch.version})"
    if driver.cuda[0] < built[0]:
        first = _FIRST_DRIVERS.get(built[0])
        upgrade = f"Upgrade the driver to {first} or newer" if first else "Upgrade the driver"
        fix = f"{upgrade}, or install a PyTorch for CUDA {driver.cuda[0]}{_CPU}."
        return Check(row.subject, "problem", row.found, needed, fix)
    return Check(row.subject, "ok", row.found, needed)


def _torch_rows(torch: TorchReport, driver: NvidiaReport | None) -> Iterator[Check]:
    there = len(driver.gpus) if driver is not None else 0
    if torch.cuda is None and there:
        kind = "for ROCm" if torch.hip else "for the CPU alone"
        yield Check(
            "PyTorch and GPU",
            "warning",
            f"PyTorch {torch.version} is a build {kind}; it will not use the GPU",
            "a build for CUDA",
            "Install the torch of your system's CUDA version.",
        )
    elif torch.error or (there and not torch.gpus):
        found = f"PyTorch sees none of {there} GPUs{': ' if torch.error else ''}{torch.error}"
        yield Check("PyTorch and GPU", "warning", found, fix=f"Check CUDA_VISIBLE_DEVICES and the driver{_CPU}.")
    elif there > len(torch.gpus):
        found = f"PyTorch sees {len(torch.gpus)} of {there} GPUs"
        yield Check("PyTorch and GPU", "note", found, fix="CUDA_VISIBLE_DEVICES decides which.")


def _as_seen(index: int, gpu: TorchGpu) -> NvidiaGpu:
    return NvidiaGpu(index, gpu.name, gpu.total, None, gpu.capability)


def _gpu_row(gpu: NvidiaGpu, torch: TorchReport | None) -> Check:
    subject = f"GPU {gpu.index}"
    needed = f"compute capability {dotted(LEAST_CAPABILITY)}; bfloat16 from {dotted(BFLOAT16_CAPABILITY)}"
    capability = gpu.capability or _capability_of(gpu.name, torch)
    found = f"{gpu.name}, {_memory(gpu)}"
    if capability is None:
        return Check(subject, "note", f"{found}, compute capability unknown", needed)
    found += f", compute capability {dotted(capability)}"
    if capability < LEAST_CAPABILITY:
        return Check(subject, "problem", found, needed, "Use a newer GPU, or device cpu.")
    if torch is not None and torch.cuda is not None and not _has_kernels(torch.architectures, capability):
        built = " ".join(torch.architectures)
        fix = f"Install a PyTorch with kernels for sm_{capability[0]}{capability[1]}{_CPU}."
        return Check(subject, "problem", found, f"one of {built} (PyTorch {torch.version})", fix)
    if gpu.free is not None and gpu.total and gpu.free < _MOSTLY_FREE * gpu.total:
        fix = "Something else uses it; `nvidia-smi` shows what. A smaller cache_max_entry_count leaves room."
        return Check(subject, "warning", found, needed, fix)
    if capability < BFLOAT16_CAPABILITY:
        return Check(subject, "note", f"{found}: no bfloat16, float16 takes its place", needed)
    return Check(subject, "ok", found, needed)


def _memory(gpu: NvidiaGpu) -> str:
    if gpu.total is None:
        return "memory unknown"
    return f"{gib(gpu.total)}" if gpu.free is None else f"{gib(gpu.free)} of {gib(gpu.total)} free"


def _capability_of(name: str, torch: TorchReport | None) -> tuple[int, int] | None:
    """From PyTorch, where an old driver does not tell it."""
    found = {gpu.capability for gpu in (torch.gpus if torch is not None else ()) if gpu.name == name}
    return found.pop() if len(found) == 1 else None


def _has_kernels(architectures: Iterable[str], capability: tuple[int, int]) -> bool:
    found = [match.groups() for name in architectures if (match := _ARCHITECTURE.match(name))]
    built = [(kind, (int(major), int(minor)), special) for kind, major, minor, special in found]
    return not built or any(_runs(*kernels, capability) for kernels in built)


def _runs(kind: str, built: tuple[int, int], special: str, capability: tuple[int, int]) -> bool:
    """``sm_`` kernels run on their capability and later ones of the same first number, ``compute_`` ones are compiled
    for every later one when they are loaded, and those with an ``a`` run on their own only."""
    if special == "a":
        return built == capability
    return built <= capability and (kind == "compute" or built[0] == capability[0])
