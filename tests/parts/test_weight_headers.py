"""Shapes of weights are read from the headers of files, and nothing but the headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from vlmplug.parts.weight_headers import header_shapes


def test_shapes_of_all_files_of_a_folder(tmp_path: Path) -> None:
    first = {"a.weight": np.zeros((2, 3), np.float32), "scale": np.zeros((), np.float32)}
    save_file(first, tmp_path / "model-00001-of-00002.safetensors", metadata={"format": "pt"})
    save_file({"b.weight": np.zeros((1, 4, 5), np.float16)}, tmp_path / "model-00002-of-00002.safetensors")
    assert header_shapes(tmp_path) == {"a.weight": (2, 3), "scale": (), "b.weight": (1, 4, 5)}


def test_a_folder_without_weights_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"weights")
    assert header_shapes(tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\n",
        (2**60).to_bytes(8, "little") + b"{}",
        (9).to_bytes(8, "little") + b'{"a": {"s',
        (2).to_bytes(8, "little") + b"[]",
        (10).to_bytes(8, "little") + b'{"a": [3]}',
        (24).to_bytes(8, "little") + b'{"a": {"shape": ["one"]}',
    ],
    ids=["empty", "a pointer", "far too long", "cut off", "no object", "no entry", "no numbers"],
)
def test_files_that_cannot_be_read_are_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model-1.safetensors").write_bytes(content)
    save_file({"b": np.zeros(3, np.float32)}, tmp_path / "model-2.safetensors")
    assert header_shapes(tmp_path) == {"b": (3,)}


def test_only_the_header_is_read(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"a": np.zeros((100, 100), np.float32)}, file)
    size = 8 + int.from_bytes(file.read_bytes()[:8], "little")
    file.write_bytes(file.read_bytes()[:size])
    assert header_shapes(tmp_path) == {"a": (100, 100)}


def test_a_folder_of_pytorchs_own_files(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2, 3)}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save({"b": torch.zeros(4)}, tmp_path / "pytorch_model-00002-of-00002.bin")
    assert header_shapes(tmp_path) == {"a": (2, 3), "b": (4,)}
    save_file({"a": np.zeros((5, 5), np.float32)}, tmp_path / "model.safetensors")
    assert header_shapes(tmp_path) == {"a": (5, 5)}
