"""Shapes of weights as the headers of their files give them, for sizes that official code has as constants.

Of safetensors only the headers are read: eight bytes of length, then JSON (https://github.com/huggingface/safetensors,
"Format"). A folder with ``.bin`` files alone is read by `vlmplug.parts.pickled_shapes`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from vlmplug.parts.pickled_shapes import pickled_shapes

Shapes: TypeAlias = "Mapping[str, tuple[int, ...]]"

#: The format allows no larger header.
MAX_HEADER_BYTES = 100_000_000


def header_shapes(folder: Path) -> Shapes:
    """The shape of each weight in the safetensors files of a model folder, else in its ``pytorch_model*.bin``.

    A file that cannot be read is passed over: a prompt can be shown without weights, and loading them names the file.
    """
    if files := sorted(folder.glob("*.safetensors")):
        return {name: shape for file in files for name, shape in _shapes(file)}
    pickled = map(pickled_shapes, sorted(folder.glob("pytorch_model*.bin")))
    return {name: shape for shapes in pickled for name, shape in shapes.items()}


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
