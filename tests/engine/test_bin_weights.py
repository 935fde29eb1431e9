"""Weights in ``.bin`` files become safetensors once, value by value, and nothing but tensors is opened."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vlmplug.engine.bin_weights import bin_files, converted_folder
from vlmplug.engine.weights import check_weights, weight_files
from vlmplug.errors import DiskSpaceError, WeightsError
from vlmplug.model import FamilyModel

pytestmark = [
    pytest.mark.filterwarnings("ignore:Detected pickle protocol"),
    pytest.mark.filterwarnings("ignore:Sparse invariant checks"),
]


@pytest.fixture(autouse=True)
def cache(own_cache: Path) -> Path:
    return own_cache


def shards(folder: Path, *contents: Mapping[str, Any], zipped: bool = True) -> Path:
    """A model folder with one ``.bin`` file for each of ``contents``, and an index if there are several."""
    folder.mkdir(exist_ok=True)
    count = len(contents)
    names = ["pytorch_model.bin"] if count == 1 else [f"pytorch_model-{n}-of-{count}.bin" for n in range(count)]
    for name, content in zip(names, contents, strict=True):
        torch.save(content, folder / name, _use_new_zipfile_serialization=zipped)
    if count > 1:
        index = {tensor: name for name, content in zip(names, contents, strict=True) for tensor in content}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


def stored(folder: Path) -> dict[str, Tensor]:
    return {name: tensor for file in weight_files(folder) for name, tensor in load_file(file).items()}


VALUES: Mapping[str, Tensor] = {
    "bfloat16": torch.tensor([[1.5, -0.0], [float("inf"), 3e38]], dtype=torch.bfloat16),
    "float16": torch.arange(5, dtype=torch.float16),
    "float64": torch.tensor(3.25, dtype=torch.float64),
    "int8": torch.tensor([-1, 2], dtype=torch.int8),
    "bool": torch.tensor([True, False, True]),
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(torch.ones(2, 2)),
    "ünïcode": torch.ones(1),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["today's format", "the format before PyTorch 1.6"])
def test_every_value_type_and_shape_is_kept(tmp_path: Path, zipped: bool) -> None:
    found = stored(shards(tmp_path / "model", VALUES, zipped=zipped))
    assert set(found) == set(VALUES)
    for name, tensor in VALUES.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape), name
        assert torch.equal(found[name], tensor.detach()), name


def test_shared_and_transposed_tensors_keep_their_own_values(tmp_path: Path) -> None:
    whole = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    content = {"embeddings": whole, "head": whole, "transposed": whole.T, "part": whole[1:, :2], "row": whole[2]}
    folder = shards(tmp_path / "model", content)
    found = stored(folder)
    assert all(torch.equal(found[name], tensor) for name, tensor in content.items())
    (file,) = weight_files(folder)
    assert file.stat().st_size < 4 * (3 * 12 + 4 + 4) + 1000  # a part takes the space of a part


def test_shards_stay_shards(tmp_path: Path) -> None:
    folder = shards(tmp_path / "model", {"a": torch.ones(2)}, {"b": torch.zeros(3), "c": torch.ones(1)})
    assert [file.name for file in weight_files(folder)] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert set(stored(folder)) == {"a", "b", "c"}


def test_a_real_checkpoint_passes_the_check_of_weights(model: FamilyModel, tmp_path: Path) -> None:
    weights = load_file(model.folder / "model.safetensors")
    names = sorted(weights)
    parts = [{name: weights[name] for name in names[start::3]} for start in range(3)]
    folder = shards(tmp_path / "model", *parts)
    check_weights(replace(model, folder=folder))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in stored(folder).items())


def test_a_head_that_is_tied_to_the_embeddings_is_no_unexpected_weight(model: FamilyModel, tmp_path: Path) -> None:
    weights = load_file(model.folder / "model.safetensors")
    weights["language_model.lm_head.weight"] = weights["language_model.model.tok_embeddings.weight"]
    folder = shards(tmp_path / "model", weights)
    with pytest.raises(WeightsError, match="1 unexpected"):
        check_weights(replace(model, folder=folder))
    check_weights(replace(model, folder=folder, text_config={**model.text_config, "tie_word_embeddings": True}))


def test_it_is_done_once_and_said_once(tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = shards(tmp_path / "model", {"a": torch.ones(1000)})
    first = weight_files(folder)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert re.match(r"converting \d\.?\d* kB of \.bin weights", caplog.messages[0])
    stamps = [file.stat().st_mtime_ns for file in first]
    assert weight_files(folder) == first
    assert [file.stat().st_mtime_ns for file in first] == stamps
    assert len(caplog.records) == 1
    assert all(file.is_relative_to(cache / "converted") for file in first)


def test_safetensors_come_first(model: FamilyModel, tmp_path: Path, cache: Path) -> None:
    folder = shards(tmp_path / "model", {"a": torch.ones(1)})
    (folder / "model.safetensors").symlink_to(model.folder / "model.safetensors")
    assert weight_files(folder) == [folder / "model.safetensors"]
    assert not cache.exists()


def test_a_changed_file_is_converted_again(tmp_path: Path) -> None:
    folder = shards(tmp_path / "model", {"a": torch.ones(2)})
    assert stored(folder)["a"].tolist() == [1, 1]
    shards(folder, {"a": torch.zeros(2)})
    os.utime(folder / "pytorch_model.bin", ns=(1, 1))
    assert stored(folder)["a"].tolist() == [0, 0]


class Explosive:
    """What a pickle can do to whoever loads it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._file),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_never_runs(tmp_path: Path, cache: Path, zipped: bool) -> None:
    folder = shards(tmp_path / "model", {"a": Explosive(tmp_path / "it ran")}, zipped=zipped)
    with pytest.raises(WeightsError, match="something else than weights"):
        weight_files(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Explosive(tmp_path / "it ran")))
    with pytest.raises(WeightsError, match="something else than weights"):
        weight_files(folder)
    assert not (tmp_path / "it ran").exists()
    assert not list(cache.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"a": 3}, "'a' is a int"),
        ({"state_dict": {"a": torch.ones(1)}}, "'state_dict' is a dict"),
        ({3: torch.ones(1)}, "3 is a Tensor"),
        ([torch.ones(1)], "it holds a list"),
        ({"a": torch.ones(1).to_sparse()}, "a tensor of torch.sparse_coo"),
        ({"a": torch.ones(1, dtype=torch.complex64)}, "torch.complex64"),
        ({"a": torch.ones(1).expand(2**40)}, "far more values than it holds"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, content: Any, says: str) -> None:
    (tmp_path / "model").mkdir()
    torch.save(content, tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"is no file of weights") as caught:
        weight_files(tmp_path / "model")
    assert says in caught.value.problem


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x80\x02}q\x00X", Random(0).randbytes(64)])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(WeightsError, match="is not opened: it is damaged"):
        weight_files(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_damage_anywhere_is_a_refusal_or_other_values(tmp_path: Path, zipped: bool) -> None:
    """Whatever byte is wrong: the pickle of a file has no checksum, so some damage only changes names or values."""
    folder = shards(tmp_path / "model", {"a": torch.ones(3), "b": torch.zeros(2, 2)}, zipped=zipped)
    file = folder / "pytorch_model.bin"
    whole, random = file.read_bytes(), Random(1)
    for place in random.sample(range(len(whole)), 150):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ random.randrange(1, 256)]) + whole[place + 1 :])
        with suppress(WeightsError):
            weight_files(folder)
    assert not list(folder.parent.rglob("*.incomplete"))


def test_a_file_cut_short_is_refused_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    folder = shards(tmp_path / "model", {"a": torch.ones(1)}, {"b": torch.ones(1000)})
    second = folder / "pytorch_model-1-of-2.bin"
    second.write_bytes(second.read_bytes()[:2000])
    with pytest.raises(WeightsError, match=r"pytorch_model-1-of-2\.bin is not opened"):
        weight_files(folder)
    assert not [file for file in cache.rglob("*") if file.name.endswith((".safetensors", ".incomplete"))]


@pytest.mark.parametrize("text", ["", "[]", '{"weight_map": {"a": "../b.bin"}}', '{"weight_map": {"a": 3}}'])
def test_a_broken_index_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pytorch_model.bin.index.json").write_text(text)
    with pytest.raises(WeightsError, match=r"index\.json cannot be read"):
        bin_files(tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = shards(tmp_path / "model", {"a": torch.ones(1)}, {"b": torch.ones(1)})
    (folder / "pytorch_model-0-of-2.bin").unlink()
    with pytest.raises(WeightsError, match=r"pytorch_model-0-of-2\.bin"):
        bin_files(folder)


def test_a_full_disk_is_found_before_anything_is_written(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shards(tmp_path / "model", {"a": torch.ones(1000)})
    monkeypatch.setattr("vlmplug.hub.disk.free_space", lambda place: 100)
    with pytest.raises(DiskSpaceError, match="would be written, and 100 bytes are free"):
        weight_files(folder)
    assert not list(cache.rglob("*.safetensors"))


@pytest.mark.parametrize(("version", "safe"), [("2.6.0+cu126", False), ("2.9.1", False), ("2.10.0", True)])
def test_an_old_pytorch_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, safe: bool
) -> None:
    folder = shards(tmp_path / "model", {"a": torch.ones(1)})
    monkeypatch.setattr(torch, "__version__", version)
    if safe:
        assert converted_folder(bin_files(folder)).is_dir()
    else:
        with pytest.raises(WeightsError, match=r"pip install \"torch>=2\.10\""):
            weight_files(folder)
