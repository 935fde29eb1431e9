"""float32 tensors are read from the safetensors layout without that library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlmplug.errors import GoldenSetError
from vlmplug.verify.tensors import check_whole, open_tensors


def write(path: Path, header: Any, values: bytes) -> Path:
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + values)
    return path


def entry(begin: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, begin + 4 * int(np.prod(shape))]}


VALUES = np.arange(10, dtype="<f4")


def test_shapes_and_values(tmp_path: Path) -> None:
    header = {"__metadata__": {"format": "pt"}, "a": entry(0, [4]), "b": entry(16, [2, 3])}
    file = open_tensors(write(tmp_path / "x", header, VALUES.tobytes()))
    assert dict(file.shapes) == {"a": (4,), "b": (2, 3)}
    assert file.read("a").tolist() == [0, 1, 2, 3]
    assert file.read("b").tolist() == [[4, 5, 6], [7, 8, 9]]


def test_the_same_as_the_library(golden: Path) -> None:
    library = pytest.importorskip("safetensors.numpy").load_file(golden / "forward.safetensors")
    file = open_tensors(golden / "forward.safetensors")
    assert set(file.shapes) == set(library)
    assert all(np.array_equal(file.read(name), library[name]) for name in library)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"a": entry(0, [4], "BF16")}, "'a' is BF16, not F32"),
        ({"a": {"dtype": "F32"}}, "not a safetensors file"),
        ({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}}, "impossible offsets"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, "impossible offsets"),
        ([1], "not a safetensors file"),
    ],
)
def test_other_headers(header: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(GoldenSetError, match=says):
        open_tensors(write(tmp_path / "x", header, VALUES.tobytes()))


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, (5).to_bytes(8, "little") + b"nojson"])
def test_what_is_no_safetensors_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(GoldenSetError, match="not a safetensors file"):
        open_tensors(tmp_path / "x")


def test_a_file_that_ends_too_early(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": entry(0, [2]), "b": entry(8, [2])}, VALUES.tobytes()[:12])
    with pytest.raises(GoldenSetError, match="ends inside of 'b'"):
        open_tensors(path)


def test_a_file_that_is_cut_while_it_is_used(tmp_path: Path) -> None:
    file = open_tensors(write(tmp_path / "x", {"a": entry(0, [4])}, VALUES.tobytes()[:16]))
    file.path.write_bytes(file.path.read_bytes()[:-4])
    with pytest.raises(GoldenSetError, match="ends inside of 'a'"):
        file.read("a")


def test_weights_of_any_type_are_whole_or_not(tmp_path: Path) -> None:
    header = {"w": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    check_whole(write(tmp_path / "whole", header, b"\0" * 6))
    with pytest.raises(GoldenSetError, match="ends inside of 'w'"):
        check_whole(write(tmp_path / "cut", header, b"\0" * 5))
    with pytest.raises(GoldenSetError, match="cannot be read"):
        check_whole(tmp_path / "none")


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GoldenSetError, match="no tensor 'b'"):
        open_tensors(write(tmp_path / "x", {"a": entry(0, [4])}, VALUES.tobytes())).read("b")
