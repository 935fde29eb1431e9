"""The float32 tensors of a set, read with numpy from the safetensors layout (header of JSON, then raw values)."""

from __future__ import annotations

import json
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
    """Reads the header.

    :raises GoldenSetError: the file is missing, no safetensors file, or holds something else than float32.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _MAX_HEADER:
                raise GoldenSetError(f"{path} is not a safetensors file.")
            header = json.loads(file.read(length))
    except OSError as error:
        raise GoldenSetError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise GoldenSetError(f"{path} is not a safetensors file ({error}).") from error
    return _parsed(path, header, 8 + length)


def _parsed(path: Path, header: Any, begin: int) -> TensorFile:
    shapes: dict[str, tuple[int, ...]] = {}
    places: dict[str, int] = {}
    try:
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            if entry["dtype"] != "F32":
                raise GoldenSetError(f"{path}: {name!r} is {entry['dtype']}, not F32.")
            shapes[name] = tuple(int(length) for length in entry["shape"])
            places[name] = begin + int(entry["data_offsets"][0])
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise GoldenSetError(f"{path} is not a safetensors file ({error!r} in its header).") from error
    return TensorFile(path, shapes, places)
