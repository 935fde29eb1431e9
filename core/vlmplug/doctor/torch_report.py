"""What PyTorch says about itself. It is imported in a child process, because importing it can fail in many ways."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlmplug.doctor.programs import private_stdout, run_module

_SECONDS = 120.0


@dataclass(frozen=True)
class TorchGpu:
    """A GPU as PyTorch sees it; ``total``: bytes."""

    name: str
    capability: tuple[int, int]
    total: int


@dataclass(frozen=True)
class TorchReport:
    """A PyTorch that can be imported.

    - ``cuda``, ``hip``: version that it was built for; None: a build without.
    - ``architectures``: what its kernels were compiled for (``sm_90``, ``compute_120`` …).
    - ``gpus``: those that it can use. ``error``: what it said when it was asked for them.
    """

    version: str
    cuda: str | None = None
    hip: str | None = None
    architectures: tuple[str, ...] = ()
    gpus: tuple[TorchGpu, ...] = ()
    error: str = ""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> TorchReport:
        """From what the child wrote."""
        gpus = tuple(TorchGpu(gpu["name"], (gpu["major"], gpu["minor"]), gpu["total"]) for gpu in answer["gpus"])
        return cls(
            answer["version"], answer["cuda"], answer["hip"], tuple(answer["architectures"]), gpus, answer["error"]
        )


class TorchUnusableError(Exception):
    """PyTorch is installed and cannot be imported; the message says how that ended."""


def read_torch_report(seconds: float = _SECONDS) -> TorchReport:
    """Asks the installed PyTorch, in a child process.

    :raises TorchUnusableError: importing it failed, crashed or did not end in time.
    """
    ended = run_module(__name__, seconds)
    if ended.code != 0:
        raise TorchUnusableError(f"import torch: {ended.how(seconds)}")
    return TorchReport.of(json.loads(ended.out))


def _answer() -> dict[str, Any]:
    import torch

    gpus, error = [], ""
    try:
        for number in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(number)
            gpus.append({"name": found.name, "major": found.major, "minor": found.minor, "total": found.total_memory})
    except (RuntimeError, AssertionError) as problem:  # what PyTorch raises where driver and build do not fit
        error = str(problem)
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "architectures": torch.cuda.get_arch_list(),
        "gpus": gpus,
        "error": error,
    }


def main() -> int:
    """In the child."""
    with private_stdout() as out:
        json.dump(_answer(), out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
