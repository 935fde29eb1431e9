"""The memory that is free is the tighter of what machine and control group leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.engine.cpu.memory import available_memory

MACHINE = "MemTotal: 4000 kB\nMemFree: 100 kB\nMemAvailable:   3000 kB\n"

CASES = {
    "machine only": (MACHINE, {}, 3000 * 1024),
    "version 2": (MACHINE, {"memory.max": "2000000\n", "memory.current": "500000\n"}, 1_500_000),
    "version 2, no limit": (MACHINE, {"memory.max": "max\n", "memory.current": "500000\n"}, 3000 * 1024),
    "version 2, used up": (MACHINE, {"memory.max": "500000\n", "memory.current": "600000\n"}, 0),
    "version 1": (
        MACHINE,
        {"memory/memory.limit_in_bytes": "1000000\n", "memory/memory.usage_in_bytes": "400000\n"},
        600_000,
    ),
    "version 1, no limit": (
        MACHINE,
        {"memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.usage_in_bytes": "4\n"},
        3000 * 1024,
    ),
    "nothing to read": ("", {}, None),
}


@pytest.mark.parametrize(("machine", "files", "available"), CASES.values(), ids=CASES)
def test_available_memory(machine: str, files: dict[str, str], available: int | None, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(machine)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_memory(tmp_path, tmp_path / "meminfo") == available
