"""Official files as lmdeploy, transformers 5 and the tower read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from plugins.minicpm_v.tests.conftest import Load
from vlmplug.checkpoint import shape_config
from vlmplug.config_json import read_config
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.errors import CheckpointMismatchError
from vlmplug.registry import load_registry
from vlmplug_minicpm_v.config import checked, text_config, tower_config
from vlmplug_minicpm_v.versions import V2_6, version_of

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
#: Published ones.
TYPES = [e for e in REGISTRY.model_types.values() if e.plugin == "minicpm_v" and e.checkpoint is None]
NATIVE = {"LlamaForCausalLM": transformers.LlamaConfig, "Qwen2ForCausalLM": transformers.Qwen2Config}


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_transformers_takes_the_language_model_unchanged(entry: Any, tmp_path: Path) -> None:
    config = shape_config(REGISTRY, entry.name)
    text = text_config(checked(config, tmp_path).config, version_of(config, entry.template))
    native = NATIVE[entry.language_architecture](**text)
    for name, value in text.items():
        assert getattr(native, name) == value or name == "rope_parameters", name
    assert {**text["rope_parameters"], **native.rope_parameters} == native.rope_parameters
    assert text["architectures"] == [entry.language_architecture]
    assert text["tie_word_embeddings"] is False
    assert not {"auto_map", "rope_theta", "rope_scaling", "pad_token_id"} & text.keys()


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_without_a_file_of_the_image_processor_its_defaults_are_the_official_ones(entry: Any, tmp_path: Path) -> None:
    official = checked(shape_config(REGISTRY, entry.name), tmp_path)
    slicing = official.slicing
    assert (slicing["max_slice_nums"], slicing["scale_resolution"], slicing["patch_size"]) == (9, 448, 14)
    assert slicing["norm_mean"] == slicing["norm_std"] == [0.5, 0.5, 0.5]
    assert slicing["image_feature_size"] == official.config["query_num"]


def test_the_file_of_the_image_processor_wins(golden: Path, changed: Callable[[Path], Path], load: Load) -> None:
    folder = changed(golden / "tiny_2_6")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "max_slice_nums": 4, "use_image_id": False}))
    options = load("tiny_2_6", folder).settings.options
    assert (options.image.max_slice_nums, options.image.use_image_id) == (4, False)
    assert (options.video.max_slice_nums, options.video.use_image_id) == (2, False)


@pytest.mark.parametrize(("said", "layers"), [(False, 2), (True, 1), (None, 1)], ids=["no", "yes", "the default"])
def test_a_last_layer_that_is_dropped_is_not_built(golden: Path, said: bool | None, layers: int) -> None:
    config = read_config(golden / "tiny_2_6")
    config = {name: value for name, value in config.items() if name != "drop_vision_last_layer"}
    config |= {} if said is None else {"drop_vision_last_layer": said}
    official = checked(config, golden / "tiny_2_6")
    assert tower_config(official, V2_6)["vision"]["layers"] == layers


@pytest.mark.parametrize(("said", "tied"), [(None, False), (False, False), (True, True)])
def test_embeddings_are_tied_only_where_the_file_says_so(load: Load, said: bool | None, tied: bool) -> None:
    assert load("tiny_2_5", tie_word_embeddings=said).text_config["tie_word_embeddings"] is tied


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"architectures": ["MiniCPMO"]}, "architecture MiniCPMO"),
        ({"architectures": None}, "architecture none"),
        ({"vision_config": None}, "vision_config of config.json is missing"),
        ({"vision_config": {"hidden_size": 32}}, "vision_config of config.json has no intermediate_size"),
        ({"query_num": 95.5}, "query_num is 95.5"),
        ({"hidden_size": 200}, "hidden_size is 200, expected a multiple of 128"),
        ({"num_attention_heads": 3}, "hidden_size is 256, expected a multiple of num_attention_heads .3"),
        ({"num_key_value_heads": 3}, "num_attention_heads is 4, expected a multiple of num_key_value_heads .3"),
        ({"rope_theta": None}, "config.json has no rope_theta"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling is .*, expected null"),
        ({"query_num": 64}, "image_feature_size is 96, expected 64"),
        ({"torch_dtype": "int4"}, "data type 'int4'"),
        ({"version": 4.5}, r"MiniCPM-V 4\.5"),
        ({"slice_mode": False}, r"where that is silent, config.json\): slice_mode is False"),
        ({"quantization_config": {"load_in_4bit": True}}, "has no kernels for bitsandbytes"),
    ],
)
def test_other_checkpoints_are_refused(load: Load, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(CheckpointMismatchError, match=problem):
        load("tiny_2_5", **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"slice_mode": False}, "slice_mode is False"),
        ({"use_image_id": "yes"}, "use_image_id is 'yes'"),
        ({"norm_std": [0.5, 0.5, 0]}, "norm_std is"),
        ({"norm_mean": 0.5}, "norm_mean is 0.5, expected a list of positive numbers"),
        ({"max_slice_nums": 0}, "max_slice_nums is 0"),
        ({"scale_resolution": "448"}, "scale_resolution is '448'"),
        ({"patch_size": 16}, "patch_size is 16, expected 14, as config.json has it"),
    ],
)
def test_settings_of_the_image_processor_that_make_no_sense_are_refused(
    golden: Path, changed: Callable[[Path], Path], load: Load, changes: dict[str, Any], problem: str
) -> None:
    folder = changed(golden / "tiny_2_6")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(CheckpointMismatchError, match=problem):
        load("tiny_2_6", folder)
