"""What nvidia-smi of several drivers and machines prints, and what is read from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from vlmplug.doctor.nvidia import NvidiaGpu, NvidiaReport, NvidiaUnusableError, read_nvidia_report
from vlmplug.doctor.programs import Ended

MIB = 1 << 20

# Recorded on an H100; the others follow the heads that drivers 470 and 610 print.
H100 = """\
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.159.04             Driver Version: 580.159.04     CUDA Version: 13.0     |
+-----------------------------------------+------------------------+----------------------+
"""
OLD = "| NVIDIA-SMI 470.57.02    Driver Version: 470.57.02    CUDA Version: 11.4     |\n"
NEW = "| NVIDIA-SMI 610.43.02              KMD Version: 610.43.02     CUDA UMD Version: 13.3     |\n"
NO_FIELD = 'Field "compute_cap" is not a valid field to query.\n\n'


class Driver:
    """An nvidia-smi that prints what was recorded."""

    def __init__(self, head: str, table: str, tables: Mapping[str, Ended] | None = None) -> None:
        self._head, self._table, self._tables = head, table, tables or {}

    def __call__(self, arguments: Sequence[str]) -> Ended:
        if not arguments:
            return Ended(0, self._head, "")
        fields = arguments[0].partition("=")[2]
        return self._tables.get(fields.rsplit(",", 1)[1], Ended(0, self._table, ""))


def gpu(index: int, name: str, memory: tuple[int | None, int | None], capability: tuple[int, int] | None) -> NvidiaGpu:
    total, free = (None if size is None else size * MIB for size in memory)
    return NvidiaGpu(index, name, total, free, capability)


@pytest.mark.parametrize(
    ("driver", "report"),
    [
        pytest.param(
            Driver(H100, "0, NVIDIA H100 80GB HBM3, 580.159.04, 81559, 81079, 9.0\n"),
            NvidiaReport("580.159.04", (13, 0), (gpu(0, "NVIDIA H100 80GB HBM3", (81559, 81079), (9, 0)),)),
            id="one H100",
        ),
        pytest.param(
            Driver(NEW, "0, GeForce RTX 5060, 610.43.02, 8151, 7000, 12.0\n1, Tesla T4, 610.43.02, 15, 1, 7.5\n"),
            NvidiaReport(
                "610.43.02",
                (13, 3),
                (gpu(0, "GeForce RTX 5060", (8151, 7000), (12, 0)), gpu(1, "Tesla T4", (15, 1), (7, 5))),
            ),
            id="two, and the words of driver 610",
        ),
        pytest.param(
            Driver(OLD, "0, Tesla V100-SXM2-16GB, 470.57.02, 16160, 16000\n", {"compute_cap": Ended(2, NO_FIELD, "")}),
            NvidiaReport("470.57.02", (11, 4), (gpu(0, "Tesla V100-SXM2-16GB", (16160, 16000), None),)),
            id="a driver that does not know capabilities",
        ),
        pytest.param(
            Driver(H100, "0, NVIDIA GB10, 580.159.04, [N/A], [N/A], 12.1\n"),
            NvidiaReport("580.159.04", (13, 0), (gpu(0, "NVIDIA GB10", (None, None), (12, 1)),)),
            id="memory that is shared with the processor",
        ),
        pytest.param(
            Driver("", "0, Card, with a comma, 580.1, 10, 5, 8.9\n"),
            NvidiaReport("580.1", None, (gpu(0, "Card, with a comma", (10, 5), (8, 9)),)),
            id="a comma in a name, and no CUDA version",
        ),
        pytest.param(Driver(H100, "No devices were found\n"), NvidiaReport(None, (13, 0), ()), id="no GPU"),
    ],
)
def test_reports(driver: Driver, report: NvidiaReport) -> None:
    assert read_nvidia_report(driver) == report


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended(9, "NVIDIA-SMI has failed because it couldn't communicate with the driver.\n", ""), "communicate"),
        (Ended(18, "Failed to initialize NVML: Driver/library version mismatch\n", ""), "version mismatch"),
        (Ended(None, "", ""), "did not end within"),
    ],
)
def test_a_driver_that_does_not_work(ended: Ended, words: str) -> None:
    with pytest.raises(NvidiaUnusableError, match=words):
        read_nvidia_report(lambda _: ended)


def test_a_machine_without_nvidia(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert read_nvidia_report() is None
