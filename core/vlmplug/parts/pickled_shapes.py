"""Shapes of weights in PyTorch's own files (``.bin``), without PyTorch and without their values.

Such a file is a zip archive (PyTorch 1.6 and later) in which ``data.pkl`` is a pickle of names, shapes and places of
the values (``torch/serialization.py``). Only what tensors are described with is taken out of that pickle; anything else
that it names ends the reading, so that nothing of it is run.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

#: More than the description of any real checkpoint takes.
MAX_PICKLE_BYTES = 100_000_000
#: What reading raises where bytes are no such file.
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


def pickled_shapes(file: Path) -> Mapping[str, tuple[int, ...]]:
    """The shape of each tensor in a file; empty where it cannot be read."""
    try:
        content = _Reader(io.BytesIO(_pickle(file))).load()
    except _DAMAGE:
        return {}
    return dict(_shapes(content)) if isinstance(content, dict) else {}


class _Shape(tuple[int, ...]):
    """The sizes of a tensor."""


class _Reader(pickle._Unpickler):
    """Builds dictionaries and shapes, and nothing else.

    The one in Python: that in C makes room for any number that a file names, a few bytes for gigabytes.
    """

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the pickle.

        :raises pickle.UnpicklingError: it describes no tensor.
        """
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if module == "torch" and name.endswith("Storage"):
            return None
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor.")

    def persistent_load(self, pid: Any) -> None:
        """Values stay where they are."""


def _tensor(storage: object, offset: object, size: tuple[int, ...], *more: object) -> _Shape:
    return _Shape(size)


def _parameter(data: object, *more: object) -> object:
    return data


_KNOWN: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


def _pickle(file: Path) -> bytes:
    """:raises ValueError: it holds none, or one too large."""
    with zipfile.ZipFile(file) as archive:
        entry = next((one for one in archive.infolist() if one.filename.endswith("/data.pkl")), None)
        if entry is None or entry.file_size > MAX_PICKLE_BYTES:
            raise ValueError("There is no description of tensors.")
        return archive.read(entry)


def _shapes(content: Mapping[Any, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, _Shape) and all(type(size) is int for size in value):
            yield name, tuple(value)
