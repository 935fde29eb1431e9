"""Files of AWQ checkpoints are compared with what the language model reads, before anything is built."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from plugins.internvl2.tests.awq_cases import CASES, AwqFolders
from tests.awq_maker import DECLARED, Weights
from vlmplug.engine.awq import check_awq
from vlmplug.engine.weights import check_weights, parameter_bytes
from vlmplug.errors import CheckpointMismatchError, EngineOptionError, WeightsError
from vlmplug.model import FamilyModel
from vlmplug.pipeline import open_preparer

LAYER = "language_model.model.layers.1.attention.wqkv"
NORM = "language_model.model.norm.weight"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> AwqFolders:
    return CASES["InternLM2, groups of 128"].write(tmp_path_factory.mktemp("awq"))


@pytest.fixture
def folder(written: AwqFolders, tmp_path: Path) -> Path:
    """A copy of the AWQ checkpoint that may be spoiled."""
    return Path(shutil.copytree(written.awq, tmp_path / "awq"))


def loaded(folder: Path) -> FamilyModel:
    return open_preparer("internvl2-26b-awq", folder).model


def stored(folder: Path) -> Weights:
    return {name: array for file in folder.glob("*.safetensors") for name, array in load_file(file).items()}


def save(folder: Path, weights: Weights) -> None:
    for file in folder.glob("model*"):
        file.unlink()
    save_file(weights, folder / "model.safetensors")


def without(name: str) -> Callable[[Weights], None]:
    return lambda weights: weights.__delitem__(name)


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[Weights], None]:
    return lambda weights: weights.update({name: np.ascontiguousarray(change(weights[name]))})


def added(name: str) -> Callable[[Weights], None]:
    return lambda weights: weights.update({name: np.zeros((1024, 512), np.float16)})


def test_a_complete_checkpoint_passes(folder: Path) -> None:
    model = loaded(folder)
    assert model.dtype == "float16"
    assert model.text_config["quantization_config"] == {**DECLARED, "group_size": 128}
    check_weights(model)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without(f"{LAYER}.qzeros"), r"1 missing \(language_model.model.layers.1.attention.wqkv.qzeros\)"),
        (without(NORM), r"1 missing \(language_model.model.norm.weight\)"),
        (added(f"{LAYER}.weight"), r"1 unexpected \(language_model.model.layers.1.attention.wqkv.weight\)"),
        (changed(f"{LAYER}.qweight", lambda old: old.T), r"1 misshapen .*wqkv.qweight is \[128, 512\], expected"),
        (changed(f"{LAYER}.scales", lambda old: old[:-1]), r"wqkv.scales is \[3, 1024\], expected \[4, 1024\]"),
        (changed(f"{LAYER}.qweight", lambda old: old.astype(np.int64)), r"another data type \(.*wqkv.qweight is I64\)"),
        (changed(f"{LAYER}.scales", lambda old: old.astype(np.int32)), r"another data type \(.*wqkv.scales is I32\)"),
        (changed(NORM, lambda old: old.astype(np.int32)), r"another data type \(.*norm.weight is I32\)"),
    ],
)
def test_what_does_not_fit_is_named(folder: Path, change: Callable[[Weights], None], says: str) -> None:
    weights = stored(folder)
    change(weights)
    save(folder, weights)
    with pytest.raises(WeightsError, match=says):
        check_weights(loaded(folder))


def test_float_weights_are_no_awq_weights(written: AwqFolders, folder: Path) -> None:
    save(folder, stored(written.plain))
    with pytest.raises(WeightsError, match=r"30 missing .*10 unexpected \(language_model.*attention.wo.weight"):
        check_weights(loaded(folder))


def test_awq_weights_are_no_float_weights(written: AwqFolders, folder: Path) -> None:
    shutil.copyfile(written.plain / "config.json", folder / "config.json")
    with pytest.raises(WeightsError, match=r"10 missing .*30 unexpected"):
        check_weights(loaded(folder))


def declare(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["llm_config"]["quantization_config"].update(fields)
    (folder / "config.json").write_text(json.dumps(config))


def test_groups_of_another_size_than_the_files_have(folder: Path) -> None:
    declare(folder, group_size=64)
    with pytest.raises(WeightsError, match=r"20 misshapen .*scales is \[4, 512\], expected \[8, 512\]"):
        check_weights(loaded(folder))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"quant_method": "gptq"}, r"quantised \(gptq\), and lmdeploy's PyTorch engine has no kernels for gptq"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "no kernels for bitsandbytes"),
        ({"bits": 8}, "bits is 8, expected 4"),
        ({"version": "gemv"}, "version is 'gemv', expected gemm"),
    ],
)
def test_other_kinds_are_refused_when_the_model_is_opened(folder: Path, fields: dict[str, Any], says: str) -> None:
    declare(folder, **fields)
    with pytest.raises(CheckpointMismatchError, match=says):
        loaded(folder)


@pytest.mark.parametrize("names", [["wqkv"], ["language_model.model.layers.1.attention.wqkv"], ["layers.0"]])
def test_layers_that_stay_unquantised_are_refused(folder: Path, names: list[str]) -> None:
    declare(folder, modules_to_not_convert=names)
    with pytest.raises(WeightsError, match=r"leaves model\.layers\.\d\.\S+ unquantised"):
        check_awq(loaded(folder).text_config, "cpu", "float32")


def test_modules_outside_the_decoder_may_stay_unquantised(folder: Path) -> None:
    declare(folder, modules_to_not_convert=["vision_model", "mlp1", "output", "lora"])
    check_awq(loaded(folder).text_config, "cpu", "float32")


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_gpus_multiply_in_float16(folder: Path, dtype: str) -> None:
    check_awq(loaded(folder).text_config, "cuda", "float16")
    with pytest.raises(EngineOptionError, match=f"dtype is {dtype}"):
        check_awq(loaded(folder).text_config, "cuda", dtype)


def test_memory_is_that_of_the_files(folder: Path) -> None:
    assert parameter_bytes(loaded(folder), 2) == sum(array.nbytes for array in stored(folder).values())
