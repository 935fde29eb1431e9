"""Compute capabilities of NVIDIA's GPUs that decide what runs; importing this needs neither torch nor lmdeploy."""

from __future__ import annotations

#: From which lmdeploy's kernels run at all, and from which bfloat16 is native (NVIDIA, CUDA C++ Programming Guide).
LEAST_CAPABILITY, BFLOAT16_CAPABILITY = (7, 5), (8, 0)


def dotted(version: tuple[int, int]) -> str:
    """``(8, 0)`` as ``8.0``."""
    return f"{version[0]}.{version[1]}"
