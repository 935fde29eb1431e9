"""Reading the small files in which Linux says what a process may use."""

from __future__ import annotations

from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")
"""Where control groups are mounted, version 1 or 2."""


def read_text(path: Path) -> str:
    """The text of a file, empty where it does not exist or cannot be read."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
