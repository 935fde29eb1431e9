"""Model folders of a true shape, without weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugin_maker import MODEL_TYPE, registry_of, toy_manifest, write_plugin
from vlmplug.checkpoint import shape_config
from vlmplug.errors import CheckpointError
from vlmplug.pipeline import open_preparer
from vlmplug.registry import Registry, load_registry
from vlmplug.shape_folder import embedded_tokenizer, shape_folder, write_shape_folder


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def test_the_manifest_and_a_tokenizer_make_a_folder_that_loads(registry: Registry, golden: Path) -> None:
    with shape_folder(registry, "internvl2-2b", golden / "tiny") as folder:
        config = json.loads((folder / "config.json").read_text())
        assert config == {**shape_config(registry, "internvl2-2b"), "template": "internlm2-chat"}
        model = open_preparer("internvl2-2b", folder, registry).model
        assert model.text_config["hidden_size"] == 2048
        assert model.tokenizer.encode_text("a red square") == _ids(golden / "tiny")
    assert not folder.exists()


def _ids(folder: Path) -> list[int]:
    return open_preparer("internvl2-2b", folder).model.tokenizer.encode_text("a red square")


def test_settings_of_a_preprocessing_and_weights_stay_behind(registry: Registry, tmp_path: Path) -> None:
    write_shape_folder(registry, "internvl2-1b", embedded_tokenizer(registry, "internvl2-1b"), tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert "tokenizer.json" in names
    assert names & {"preprocessor_config.json", "model.safetensors"} == set()
    assert json.loads((tmp_path / "config.json").read_text())["llm_config"]["hidden_size"] == 896


def test_a_checkpoint_inside_a_plugin_lends_its_tokenizer(registry: Registry, tmp_path: Path) -> None:
    lender = registry.model_type("internvl2-tiny").checkpoint
    assert lender is not None
    assert embedded_tokenizer(registry, "internvl2-8b") == lender
    write_shape_folder(registry, "internvl2-8b", None, tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == (lender / "tokenizer.json").read_bytes()


@pytest.mark.parametrize(
    ("shape", "tokenizer", "says"),
    [
        ({}, "files", "says nothing about its shape"),
        ({"shape": {"hidden_size": 8}}, None, "no tokenizer for the family toy"),
        ({"shape": {"hidden_size": 8}}, "empty", "holds no files of a tokenizer"),
        ({"shape": {"hidden_size": 8}}, "missing", "holds no files of a tokenizer"),
    ],
)
def test_what_is_missing(shape: dict[str, object], tokenizer: str | None, says: str, tmp_path: Path) -> None:
    content = {**toy_manifest(), "model_types": {"toy-1b": {**MODEL_TYPE, **shape}}}
    write_plugin(tmp_path, "toy", content)
    own = registry_of(tmp_path, {"toy": {"manifest": "toy_plugin/manifest.yaml"}})
    for name in ("files", "empty", "target"):
        (tmp_path / name).mkdir()
    (tmp_path / "files" / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=says):
        write_shape_folder(own, "toy-1b", None if tokenizer is None else tmp_path / tokenizer, tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []
