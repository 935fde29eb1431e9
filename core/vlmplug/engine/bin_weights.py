"""Weights in PyTorch's own files (``.bin``), converted to safetensors once and kept in our cache.

Such a file is a pickle. It is opened with ``weights_only=True``, which builds tensors and nothing else, and written
anew tensor by tensor: memory is needed for the largest of them, or for one whole file in the format of before
PyTorch 1.6.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import re
import shutil
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from packaging.version import Version
from torch import Tensor

from vlmplug.errors import WeightsError
from vlmplug.hub.disk import check_space, readable
from vlmplug.hub.inventory import CONVERTED
from vlmplug.user_folder import cache_folder

#: What a conversion was made of; written last.
SOURCE = "source.json"
INDEX = "model.safetensors.index.json"

_BIN = "pytorch_model.bin"
_BIN_INDEX = "pytorch_model.bin.index.json"
#: Before this version a crafted file could corrupt memory in spite of ``weights_only`` (CVE-2026-24747).
_SAFE_TORCH = Version("2.10")
_MAX_INDEX_BYTES = 64_000_000
#: Tensors may share values, as a head does with the embeddings; a few bytes must not become terabytes that way.
_MOST_SHARING = 3
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}

#: What PyTorch's reader raises at bytes that are no file of its own.
_DAMAGE = (
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

_log = logging.getLogger(__name__)


def bin_files(folder: Path) -> list[Path]:
    """The ``.bin`` files of a model folder, as their index lists them, or the only one; none where there are none.

    :raises WeightsError: the index cannot be read, or names files that are not there.
    """
    index = folder / _BIN_INDEX
    if not index.is_file():
        return [folder / _BIN] if (folder / _BIN).is_file() else []
    names = sorted(set(_read_index(index)))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"{index} names files that are not there: {', '.join(missing[:5])}.", "Download the checkpoint again."
        )
    return [folder / name for name in names]


def converted_folder(files: Iterable[Path]) -> Path:
    """A folder with the safetensors files of these ``.bin`` files and their index; the first call makes it.

    :raises WeightsError: a file holds something else than tensors, or PyTorch is too old to open it safely.
    :raises DiskSpaceError: no space for a second copy.
    """
    sources = [file.resolve() for file in files]
    folder = cache_folder() / CONVERTED / _name(sources)
    if (folder / SOURCE).is_file():
        return folder
    _check_torch()
    size = sum(file.stat().st_size for file in sources)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / SOURCE).is_file():
            check_space({folder.parent: size})
            _log.warning("converting %s of .bin weights to safetensors, once, into %s", readable(size), folder)
            _convert(sources, folder)
    return folder


def _convert(sources: list[Path], folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.incomplete")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        weight_map: dict[str, str] = {}
        for number, source in enumerate(sources, 1):
            name = f"model-{number:05}-of-{len(sources):05}.safetensors"
            weight_map |= dict.fromkeys(_convert_file(source, unfinished / name), name)
        _write_json(unfinished / INDEX, {"metadata": {}, "weight_map": weight_map})
        _write_json(unfinished / SOURCE, {"files": [str(source) for source in sources]})
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unfinished, folder)
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error}.", "Check the disk and the folder.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _convert_file(source: Path, target: Path) -> list[str]:
    """Converts one file and returns the names of its tensors."""
    tensors = _checked(source, _opened(source))
    header = _header(tensors)
    with target.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for tensor in tensors.values():
            file.write(_bytes(tensor))
    return list(tensors)


def _opened(source: Path) -> Any:
    """The content of a file, left on the disk where its format allows that."""
    try:
        return torch.load(source, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(source))
    except _DAMAGE as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise WeightsError(
            f"{source} is not opened: it is damaged, or holds something else than weights ({reason}).",
            "Use a checkpoint with safetensors files, or download this one again.",
        ) from error


def _checked(source: Path, content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        raise _foreign(source, f"it holds a {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise _foreign(source, f"{name!r} is a {type(value).__name__}")
        if value.layout != torch.strided or value.dtype not in _DTYPES:
            raise _foreign(source, f"{name} is a tensor of {value.layout} and {value.dtype}")
    if sum(map(_size, content.values())) > _MOST_SHARING * source.stat().st_size:
        raise _foreign(source, "its tensors claim far more values than it holds")
    return dict(content)


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _foreign(source: Path, what: str) -> WeightsError:
    return WeightsError(
        f"{source} is no file of weights: {what}.", "Use a checkpoint with tensors and nothing else in it."
    )


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    """As safetensors begin: names, types, shapes and places, filled up to a multiple of eight bytes."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + _size(tensor)
        entries[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    header = json.dumps(entries).encode()
    return header + b" " * (-len(header) % 8)


def _bytes(tensor: Tensor) -> memoryview:
    """The values of a tensor in order; its own values only, where it is a part of a larger one."""
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _name(sources: list[Path]) -> str:
    """Something readable, and something that changes whenever a file does."""
    marks = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sources]
    digest = hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:16]
    hub = next((part for part in sources[0].parts if part.startswith("models--")), sources[0].parent.name)
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', hub.removeprefix('models--'))[:100]}-{digest}"


def _read_index(index: Path) -> list[str]:
    try:
        if index.stat().st_size > _MAX_INDEX_BYTES:
            raise ValueError(f"it is larger than {_MAX_INDEX_BYTES:,} bytes")
        names = list(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if any(Path(name).name != name for name in names):
            raise ValueError("it names files elsewhere")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{index} cannot be read: {error}.", "Download the checkpoint again.") from error
    return names


def _write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _check_torch() -> None:
    if Version(torch.__version__.partition("+")[0]) < _SAFE_TORCH:
        raise WeightsError(
            f"PyTorch {torch.__version__} cannot open .bin weights safely; {_SAFE_TORCH} can.",
            f'Run: pip install "torch>={_SAFE_TORCH}", or use a checkpoint with safetensors files.',
        )
