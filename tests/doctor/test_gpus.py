"""Driver, PyTorch, GPUs and the engine: which go together."""

from __future__ import annotations

import pytest

from vlmplug.doctor.check import Check
from vlmplug.doctor.gpus import check_gpus
from vlmplug.doctor.nvidia import NvidiaGpu, NvidiaReport
from vlmplug.doctor.torch_report import TorchGpu, TorchReport

GIB = 1 << 30
BUILT = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


def gpu(name: str, capability: tuple[int, int] | None, free: int = 78) -> NvidiaGpu:
    return NvidiaGpu(0, name, 80 * GIB, free * GIB, capability)


def driver(*gpus: NvidiaGpu, cuda: tuple[int, int] | None = (13, 0)) -> NvidiaReport:
    return NvidiaReport("580.159.04", cuda, gpus)


def torch(*gpus: NvidiaGpu, cuda: str | None = "13.0", built: tuple[str, ...] = BUILT, error: str = "") -> TorchReport:
    seen = tuple(TorchGpu(gpu.name, gpu.capability or (7, 0), gpu.total or 0) for gpu in gpus)
    return TorchReport("2.12.1", cuda, None, built, seen, error)


def rows(report: NvidiaReport | None, torch_report: TorchReport | None) -> dict[str, Check]:
    return {row.subject: row for row in check_gpus(report, torch_report)}


H100 = gpu("H100", (9, 0))


@pytest.mark.parametrize(
    ("one", "status", "words"),
    [
        (H100, "ok", "78 GiB of 80 GiB free, compute capability 9.0"),
        (gpu("A100", (8, 0)), "ok", "8.0"),
        (gpu("T4", (7, 5)), "note", "no bfloat16, float16 takes its place"),
        (gpu("V100", (7, 0)), "problem", "7.0"),
        (gpu("H100", (9, 0), 30), "warning", "30 GiB of 80 GiB free"),
        (gpu("RTX 5060", (12, 0)), "ok", "12.0"),
        (NvidiaGpu(0, "GB10", None, None, (12, 1)), "ok", "memory unknown"),
        (gpu("Unheard", None), "note", "capability unknown"),
    ],
    ids=lambda value: value.name if isinstance(value, NvidiaGpu) else None,
)
def test_capability_and_memory(one: NvidiaGpu, status: str, words: str) -> None:
    found = rows(driver(one), None)["GPU 0"]
    assert (found.status, words in found.found) == (status, True), found


@pytest.mark.parametrize(
    ("built", "capability", "status"),
    [
        (("sm_80", "sm_90"), (8, 6), "ok"),
        (("sm_90", "compute_90"), (12, 0), "ok"),
        (("sm_90",), (12, 0), "problem"),
        (("sm_90a",), (9, 0), "ok"),
        (("sm_100a",), (10, 3), "problem"),
        (("sm_100f",), (10, 3), "ok"),
        (("sm_120",), (10, 0), "problem"),
        ((), (9, 0), "ok"),
    ],
)
def test_kernels_that_pytorch_was_built_with(built: tuple[str, ...], capability: tuple[int, int], status: str) -> None:
    one = gpu("X", capability)
    found = rows(driver(one), torch(one, built=built))["GPU 0"]
    assert found.status == status
    assert (f"sm_{capability[0]}{capability[1]}" in found.fix) == (status == "problem")


@pytest.mark.parametrize(
    ("knows", "built", "status"),
    [
        ((13, 0), "13.0", "ok"),
        ((13, 0), "12.8", "ok"),
        ((12, 4), "12.8", "ok"),
        ((12, 4), "13.0", "problem"),
        ((11, 4), "12.1", "problem"),
        (None, "13.0", "ok"),
    ],
)
def test_cuda_of_the_driver_and_of_pytorch(knows: tuple[int, int] | None, built: str, status: str) -> None:
    found = rows(driver(H100, cuda=knows), torch(H100, cuda=built))["NVIDIA driver"]
    assert found.status == status
    assert ("Upgrade the driver to" in found.fix) == (status == "problem")


def test_an_old_driver_leaves_the_capability_to_pytorch() -> None:
    found = rows(driver(gpu("V100", None)), torch(gpu("V100", (7, 0))))["GPU 0"]
    assert found.status == "problem"


@pytest.mark.parametrize(
    ("report", "status", "words"),
    [
        (torch(cuda=None), "warning", "for the CPU alone"),
        (TorchReport("2.12.1", None, "6.4"), "warning", "for ROCm"),
        (torch(), "warning", "sees none of 2 GPUs"),
        (torch(error="CUDA driver initialization failed"), "warning", "initialization failed"),
        (torch(H100), "note", "sees 1 of 2 GPUs"),
    ],
)
def test_a_pytorch_that_does_not_see_what_is_there(report: TorchReport, status: str, words: str) -> None:
    found = rows(driver(H100, H100), report)["PyTorch and GPU"]
    assert (found.status, words in found.found, bool(found.fix)) == (status, True, True), found


def test_a_gpu_that_only_pytorch_sees() -> None:
    found = rows(None, torch(H100))
    assert (found["GPU 0"].status, found["GPU 0"].found) == ("ok", "H100, 80 GiB, compute capability 9.0")


@pytest.mark.parametrize("report", [None, torch(cuda=None), TorchReport("2.12.1", None, "6.4")])
def test_a_machine_without_a_gpu_is_worth_a_note(report: TorchReport | None) -> None:
    (found,) = rows(None, report).values()
    assert (found.subject, found.status) == ("GPU", "note")
