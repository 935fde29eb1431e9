"""What commands write: data to the standard output, remarks to the standard error."""

from __future__ import annotations

import json
import sys
from typing import Any


def print_json(data: Any) -> None:
    """One JSON document."""
    print(json.dumps(data, ensure_ascii=False, indent=2))


def remark(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, file=sys.stderr)


def magnitude(count: int) -> str:
    """A large number with three digits: 938M, 2.21B, 76.3B."""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)
