"""Shapes are read from PyTorch's files without PyTorch, and nothing of such a file is run."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from vlmplug.parts.pickled_shapes import pickled_shapes

TENSORS = {
    "a.weight": torch.zeros(2, 3, dtype=torch.bfloat16),
    "b.weight": torch.zeros(4, 5).T,
    "scale": torch.zeros(()),
    "ids": torch.zeros(7, dtype=torch.int64),
    "learned": torch.nn.Parameter(torch.zeros(1, 6)),
}
SHAPES = {"a.weight": (2, 3), "b.weight": (5, 4), "scale": (), "ids": (7,), "learned": (1, 6)}


class Runs:
    """What a hostile file holds: unpickled plainly, it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def archive(file: Path, content: bytes) -> Path:
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("archive/data.pkl", content)
    return file


@pytest.mark.parametrize("content", [TENSORS, OrderedDict(TENSORS)], ids=["a dictionary", "a state dict"])
def test_the_shapes_of_a_file(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "pytorch_model.bin")
    assert pickled_shapes(tmp_path / "pytorch_model.bin") == SHAPES


def test_the_state_of_a_module_has_more_than_tensors_in_it(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "pytorch_model.bin")
    assert pickled_shapes(tmp_path / "pytorch_model.bin") == {"weight": (2, 3), "bias": (2,)}


def test_nothing_is_run(tmp_path: Path) -> None:
    target = tmp_path / "written"
    file = archive(tmp_path / "pytorch_model.bin", pickle.dumps({"a": Runs(target)}))
    assert pickled_shapes(file) == {}
    assert not target.exists()


#: Room for two thousand million remembered objects, of which there is one.
MUCH_ROOM = b"\x80\x02Nr\xff\xff\xff\x7f."


@pytest.mark.parametrize(
    "content", [b"", b"weights", pickle.dumps([1]), pickle.dumps({"a": 1}), b"\x80\x04\x8a", MUCH_ROOM]
)
def test_what_holds_no_tensors_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plain.bin").write_bytes(content)
    assert pickled_shapes(tmp_path / "plain.bin") == {}
    assert pickled_shapes(archive(tmp_path / "archive.bin", content)) == {}


def test_a_file_of_before_1_6_tells_nothing(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    assert pickled_shapes(tmp_path / "old.bin") == {}


def test_pytorch_is_not_needed() -> None:
    code = "import sys, vlmplug.parts.pickled_shapes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
