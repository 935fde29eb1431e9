"""How much main memory is free for this process, and what a budget of it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlmplug.engine.cpu.proc import CGROUP_ROOT, read_text
from vlmplug.errors import EngineMemoryError

MEMORY_INFO = Path("/proc/meminfo")
_FEWEST_BLOCKS = 3  # one is lmdeploy's own, one holds tokens, one is room to grow


def available_memory(root: Path = CGROUP_ROOT, memory_info: Path = MEMORY_INFO) -> int | None:
    """Bytes that can still be used without swapping: free memory of the machine, cut by the control group's limit.

    :returns: None where neither can be read (not Linux).
    """
    limits = [*_machine(memory_info), *_control_group(root)]
    return min(limits, default=None)


def blocks_in(budget: int, block_bytes: int) -> int:
    """Blocks of the cache that fit into ``budget`` bytes.

    :raises EngineMemoryError: too few to work with.
    """
    blocks = budget // block_bytes
    if blocks < _FEWEST_BLOCKS:
        raise EngineMemoryError(
            f"{budget} bytes hold {blocks} blocks of {block_bytes} bytes of keys and values; "
            f"{_FEWEST_BLOCKS} are needed.",
            "Give the cache more memory, or choose smaller blocks.",
        )
    return blocks


def _machine(memory_info: Path) -> Iterator[int]:
    for line in read_text(memory_info).splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _control_group(root: Path) -> Iterator[int]:
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        allowed, used = read_text(root / limit).strip(), read_text(root / usage).strip()
        if allowed.isdigit() and used.isdigit():
            yield max(0, int(allowed) - int(used))
