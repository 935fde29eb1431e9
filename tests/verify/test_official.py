"""The official preprocessing comes from a tiny checkpoint and the numbers in the family's manifest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vlmplug.errors import ManifestError
from vlmplug.registry import load_registry
from vlmplug.verify.goldens import GoldenSet
from vlmplug.verify.official import base_checkpoint, official_preparer, patched_copy
from vlmplug.verify.set_reader import read_golden_set


@pytest.fixture(scope="module")
def golden_set(golden: Path) -> GoldenSet:
    return read_golden_set(golden)


@pytest.mark.parametrize(
    ("checkpoints", "official", "expected"),
    [
        (("tiny", "tiny_6b", "tiny_qwen2"), "official-internvl2", "tiny"),
        (("tiny",), "official-qwen-vl", "tiny"),
        (("tiny_1_3b", "tiny_7b"), "official-deepseek-vl-7b", "tiny_7b"),
        (("tiny_2_5", "tiny_2_6"), "official-minicpm-v-2_6", "tiny_2_6"),
    ],
)
def test_which_checkpoint_it_starts_from(
    checkpoints: tuple[str, ...], official: str, expected: str, golden_set: GoldenSet
) -> None:
    some = next(iter(golden_set.checkpoints.values()))
    named = {name: replace(some, name=name) for name in checkpoints}
    assert base_checkpoint(replace(golden_set, checkpoints=named), official).name == expected


def test_a_copy_has_no_weights_and_new_numbers(golden: Path, tmp_path: Path) -> None:
    settings = {"force_image_size": 448, "vision_config.image_size": 448, "new.inner": [1]}
    patched_copy(golden / "tiny", tmp_path, settings)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    original = json.loads((golden / "tiny" / "config.json").read_text(encoding="utf-8"))
    assert (config["force_image_size"], config["vision_config"]["image_size"], config["new"]) == (
        448,
        448,
        {"inner": [1]},
    )
    assert config["llm_config"] == original["llm_config"]
    assert original["force_image_size"] == 112
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {file.name for file in (golden / "tiny").iterdir()} - {"model.safetensors"}


def test_the_model_has_the_official_size_and_its_folder_goes_away(golden_set: GoldenSet) -> None:
    with official_preparer(golden_set, "official-internvl2", load_registry()) as preparer:
        folder = preparer.model.folder
        assert folder.is_dir()
    assert not folder.exists()


def test_a_name_that_the_manifest_does_not_know(golden_set: GoldenSet) -> None:
    with (
        pytest.raises(ManifestError, match="no official_settings for 'official-other'"),
        official_preparer(golden_set, "official-other", load_registry()),
    ):
        pass
