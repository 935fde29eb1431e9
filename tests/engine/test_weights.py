"""Weight files are compared with what the model reads, by their headers, before anything is built."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from vlmplug.engine.weights import check_weights, parameter_bytes, weight_files
from vlmplug.errors import WeightsError
from vlmplug.model import FamilyModel

Weights = dict[str, "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]
Changed = Callable[[Path], Path]

WQKV = "language_model.model.layers.1.attention.wqkv.weight"
HEAD = "mlp1.3.bias"


def without(name: str) -> Callable[[Weights], None]:
    return lambda weights: weights.__delitem__(name)


def added(name: str) -> Callable[[Weights], None]:
    return lambda weights: weights.update({name: np.zeros(3, np.float32)})


def cut(name: str) -> Callable[[Weights], None]:
    return lambda weights: weights.update({name: weights[name][:-1].copy()})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without(WQKV), r"1 missing \(language_model.model.layers.1.attention.wqkv.weight\)"),
        (without(HEAD), r"1 missing \(mlp1.3.bias\)"),
        (added("language_model.lm_head.weight"), r"1 unexpected \(language_model.lm_head.weight\)"),
        (added("mlp2.weight"), r"1 unexpected \(mlp2.weight\)"),
        (cut(WQKV), r"1 misshapen \(language_model.model.layers.1.attention.wqkv.weight is"),
        (cut(HEAD), r"1 misshapen \(mlp1.3.bias is \[95\], expected \[96\]\)"),
    ],
)
def test_what_does_not_fit_is_named(
    model: FamilyModel, changed: Changed, change: Callable[[Weights], None], says: str
) -> None:
    folder = changed(model.folder)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=says):
        check_weights(replace(model, folder=folder))


def test_a_complete_checkpoint_passes(model: FamilyModel) -> None:
    check_weights(model)


def test_shards_are_found_through_the_index(model: FamilyModel, changed: Changed) -> None:
    folder = changed(model.folder)
    sharded(folder, 3)
    assert [file.name for file in weight_files(folder)] == [
        "part-0.safetensors",
        "part-1.safetensors",
        "part-2.safetensors",
    ]
    check_weights(replace(model, folder=folder))


def test_a_missing_shard_is_named(model: FamilyModel, changed: Changed) -> None:
    folder = changed(model.folder)
    sharded(folder, 3)
    (folder / "part-1.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"part-1.safetensors"):
        weight_files(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"weight_map": {"a": "../b.safetensors"}}', '{"weight_map": 3}'])
def test_a_broken_index_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(WeightsError, match=r"index.json"):
        weight_files(tmp_path)


def test_a_file_cut_short_is_named(model: FamilyModel, changed: Changed) -> None:
    folder = changed(model.folder)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(WeightsError, match=r"model.safetensors cannot be read"):
        check_weights(replace(model, folder=folder))


def test_whole_numbers_are_no_weights(model: FamilyModel, changed: Changed) -> None:
    folder = changed(model.folder)
    weights = load_file(folder / "model.safetensors")
    weights["mlp1.1.weight"] = weights["mlp1.1.weight"].astype("int8")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"1 of another data type \(mlp1.1.weight is I8\)"):
        check_weights(replace(model, folder=folder))


def test_no_weights_at_all_points_to_random_ones(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match='weights="random"'):
        weight_files(tmp_path)


def test_parameter_bytes_count_every_value(model: FamilyModel) -> None:
    stored = sum(array.size for array in load_file(model.folder / "model.safetensors").values())
    assert parameter_bytes(model, 4) == 4 * stored


def sharded(folder: Path, count: int) -> None:
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    index = {}
    for part in range(count):
        file = f"part-{part}.safetensors"
        save_file({name: weights[name] for name in names[part::count]}, folder / file)
        index.update(dict.fromkeys(names[part::count], file))
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
