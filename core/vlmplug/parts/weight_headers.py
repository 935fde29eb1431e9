"""Shapes of weights as the headers of safetensors files give them, for sizes that official code has as constants.

Only the headers are read: eight bytes of length, then JSON (https://github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Shapes: TypeAlias = "Mapping[str, tuple[int, ...]]"

#: The format allows no larger header.
MAX_HEADER_BYTES = 100_000_000


def header_shapes(folder: Path) -> Shapes:
    """The shape of each weight in the safetensors files of a model folder; empty where there are none.

    A file that cannot be read is passed over: a prompt can be shown without weights, and loading them names the file.
    """
    return {name: shape for file in sorted(folder.glob("*.safetensors")) for name, shape in _shapes(file)}


def _shapes(file: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, entry in _header(file).items():
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if isinstance(shape, list) and all(isinstance(size, int) for size in shape):
            yield name, tuple(shape)


def _header(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as content:
            size = int.from_bytes(content.read(8), "little")
            header = json.loads(content.read(size)) if size <= MAX_HEADER_BYTES else {}
    except (OSError, ValueError):
        return {}
    return header if isinstance(header, dict) else {}
