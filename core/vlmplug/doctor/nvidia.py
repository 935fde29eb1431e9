"""What NVIDIA's driver says about itself and its GPUs, through its program ``nvidia-smi``."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from vlmplug.doctor.programs import Ended, run_program

PROGRAM = "nvidia-smi"

_SECONDS = 30.0
_MIB = 1 << 20
_UNKNOWN_FIELD, _NO_GPUS = "not a valid field", "No devices were found"
#: Drivers before 510 do not know the last one.
_FIELDS = ("index", "name", "driver_version", "memory.total", "memory.free", "compute_cap")
# Drivers since 610 write "CUDA UMD Version".
_CUDA = re.compile(r"CUDA (?:UMD )?Version\s*:\s*(\d+)\.(\d+)")

#: Runs ``nvidia-smi`` with these arguments.
Ask: TypeAlias = Callable[[Sequence[str]], Ended]


@dataclass(frozen=True)
class NvidiaGpu:
    """One GPU; memory in bytes; None: the driver does not say."""

    index: int
    name: str
    total: int | None
    free: int | None
    capability: tuple[int, int] | None


@dataclass(frozen=True)
class NvidiaReport:
    """``cuda``: the newest CUDA that the driver knows."""

    driver: str | None
    cuda: tuple[int, int] | None
    gpus: tuple[NvidiaGpu, ...]


class NvidiaUnusableError(Exception):
    """There is a driver's program and it does not work; the message says how that ended."""


def read_nvidia_report(ask: Ask | None = None) -> NvidiaReport | None:
    """Asks the driver; None where its program is not installed.

    :raises NvidiaUnusableError: it failed or did not end in time.
    """
    ask = ask or _program()
    if ask is None:
        return None
    rows = _query(ask)
    found = _CUDA.search(_answer(ask, []))
    return NvidiaReport(
        driver=rows[0]["driver_version"] if rows else None,
        cuda=(int(found[1]), int(found[2])) if found else None,
        gpus=tuple(map(_gpu, rows)),
    )


def _program() -> Ask | None:
    path = shutil.which(PROGRAM)
    return None if path is None else lambda arguments: run_program([path, *arguments], _SECONDS)


def _answer(ask: Ask, arguments: Sequence[str]) -> str:
    ended = ask(arguments)
    if ended.code == 0 or any(words in ended.out for words in (_UNKNOWN_FIELD, _NO_GPUS)):
        return ended.out
    raise NvidiaUnusableError(f"{PROGRAM}: {ended.how(_SECONDS)}")


def _query(ask: Ask) -> list[dict[str, str]]:
    for fields in (_FIELDS, _FIELDS[:-1]):
        table = _answer(ask, [f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"])
        if _UNKNOWN_FIELD not in table:
            return [_row(fields, line) for line in table.splitlines() if line[:1].isdigit()]
    return []


def _row(fields: Sequence[str], line: str) -> dict[str, str]:
    """The cells of a line by their fields; a name, which comes second, may hold commas itself."""
    index, _, rest = line.partition(",")
    cells = (index, *rest.rsplit(",", len(fields) - 2))
    return {field: cell.strip() for field, cell in zip(fields, cells, strict=True)}


def _gpu(row: dict[str, str]) -> NvidiaGpu:
    found = re.fullmatch(r"(\d+)\.(\d+)", row.get("compute_cap", ""))
    return NvidiaGpu(
        index=int(row["index"]),
        name=row["name"],
        total=_bytes(row["memory.total"]),
        free=_bytes(row["memory.free"]),
        capability=(int(found[1]), int(found[2])) if found else None,
    )


def _bytes(mebibytes: str) -> int | None:
    return int(mebibytes) * _MIB if mebibytes.isdigit() else None
