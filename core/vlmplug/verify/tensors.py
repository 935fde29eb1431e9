"""Tensors of a set in the safetensors layout (header of JSON, then raw values), read with numpy alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmplug.errors import GoldenSetError

_MAX_HEADER = 100_000_000


@dataclass(frozen=True)
class TensorFile:
    """Names, shapes and places of the tensors in a file; values are read when asked for."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    places: Mapping[str, int]

    def read(self, name: str) -> npt.NDArray[np.float32]:
        """The values of one tensor.

        :raises GoldenSetError: no such tensor, or the file ends before it.
        """
        if name not in self.shapes:
            raise GoldenSetError(f"{self.path} has no tensor {name!r}.")
        count = int(np.prod(self.shapes[name], dtype=np.int64))
        values = np.fromfile(self.path, "<f4", count, offset=self.places[name])
        if values.size != count:
            raise GoldenSetError(f"{self.path} ends inside of {name!r}.", "Get a complete copy of the set.")
        return values.reshape(self.shapes[name])


def open_tensors(path: Path) -> TensorFile:
    """Reads the header of a file of float32 tensors.

    :raises GoldenSetError: the file is missing, no safetensors file, cut off, or holds something else than float32.
    """
    entries, begin = _header(path)
    for entry in entries:
        if entry.dtype != "F32":
            raise GoldenSetError(f"{path}: {entry.name!r} is {entry.dtype}, not F32.")
    shapes = {entry.name: entry.shape for entry in entries}
    return TensorFile(path, shapes, {entry.name: begin + entry.begin for entry in entries})


def check_whole(path: Path) -> None:
    """Whether a file of weights, of whatever type, holds all values that its header promises.

    :raises GoldenSetError: it is missing, no safetensors file, or cut off.
    """
    _header(path)


@dataclass(frozen=True)
class _Entry:
    """One tensor in the header; ``begin`` and ``end`` are counted in bytes from the first value."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _header(path: Path) -> tuple[list[_Entry], int]:
    """The tensors of a file, and the byte at which their values begin."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _MAX_HEADER:
                raise GoldenSetError(f"{path} is not a safetensors file.")
            header = json.loads(file.read(length))
        size = path.stat().st_size
    except OSError as error:
        raise GoldenSetError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise GoldenSetError(f"{path} is not a safetensors file ({error}).") from error
    entries = _entries(path, header)
    for entry in entries:
        if 8 + length + entry.end > size:
            raise GoldenSetError(f"{path} ends inside of {entry.name!r}.", "Get a complete copy of the set.")
    return entries, 8 + length


def _entries(path: Path, header: Any) -> list[_Entry]:
    try:
        return [_entry(name, value) for name, value in header.items() if name != "__metadata__"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise GoldenSetError(f"{path} is not a safetensors file ({error!r} in its header).") from error


def _entry(name: str, value: Any) -> _Entry:
    begin, end = (int(offset) for offset in value["data_offsets"])
    shape = tuple(int(length) for length in value["shape"])
    if begin < 0 or min(shape, default=0) < 0 or (value["dtype"] == "F32" and end - begin != 4 * math.prod(shape)):
        raise ValueError(f"{name!r} has impossible offsets")
    return _Entry(name, str(value["dtype"]), shape, begin, end)
