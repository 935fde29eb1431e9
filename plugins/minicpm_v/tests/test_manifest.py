"""The manifest of MiniCPM-V: its numbers fit together, and its model types are those of ms-swift and the hub."""

from __future__ import annotations

import re
from importlib import metadata
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch

from plugins.minicpm_v.tests.conftest import GOLDEN
from vlmplug.checkpoint import shape_config
from vlmplug.config_json import read_config
from vlmplug.detection import detect_family, detect_types
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.engine.language_shapes import language_shapes
from vlmplug.engine.tower_weights import tower_shapes
from vlmplug.host import PluginHost
from vlmplug.model import ModelSource
from vlmplug.registry import load_registry
from vlmplug.shape_folder import shape_folder

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
#: Published ones.
TYPES = [e for e in REGISTRY.model_types.values() if e.plugin == "minicpm_v" and e.checkpoint is None]
TOKENIZERS = {"minicpm-v-v2_5-chat": "tiny_2_5", "minicpm-v-v2_6-chat": "tiny_2_6"}
#: ``metadata.total_size`` of the official index of 2.5 counts four bytes a weight.
TOTAL_SIZE_2_5 = 34_148_369_344


def tower_weights(vision: dict[str, Any]) -> int:
    """Weights of the vision tower."""
    width, inner, patch = vision["hidden_size"], vision["intermediate_size"], vision["patch_size"]
    positions = (vision["image_size"] // patch) ** 2
    layer = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width
    return int(3 * patch**2 * width + width + positions * width + vision["num_hidden_layers"] * layer + 2 * width)


def resampler_weights(hidden: int, width: int, queries: int) -> int:
    """Weights of the resampler."""
    attention = 4 * (hidden * hidden + hidden)
    return queries * hidden + width * hidden + attention + 3 * 2 * hidden + hidden * hidden


def language_weights(config: dict[str, Any], bias: bool) -> int:
    """Weights of the language model, with an output layer of its own."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    key_value = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    attention = 2 * hidden * hidden + 2 * hidden * key_value + (hidden + 2 * key_value) * bias
    layer = attention + 3 * hidden * inner + 2 * hidden
    return int(2 * config["vocab_size"] * hidden + hidden + config["num_hidden_layers"] * layer)


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_parameters_are_those_of_the_shape(entry: Any) -> None:
    config = shape_config(REGISTRY, entry.name)
    vision = config["vision_config"]
    tower = tower_weights(vision) + resampler_weights(config["hidden_size"], vision["hidden_size"], config["query_num"])
    assert entry.vision_parameters == tower
    assert entry.parameters == tower + language_weights(config, bias="Qwen2" in entry.language_architecture)


def test_parameters_of_2_5_are_those_of_the_official_index() -> None:
    assert REGISTRY.model_type("minicpm-v-v2_5-chat").parameters * 4 == TOTAL_SIZE_2_5


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_a_folder_of_the_true_shape_loads(entry: Any) -> None:
    with shape_folder(REGISTRY, entry.name, GOLDEN / TOKENIZERS[entry.name]) as folder:
        source = ModelSource(entry.name, entry.family, folder, read_config(folder), entry.template)
        model = PluginHost(REGISTRY).load_model(source)
    shapes = {**tower_shapes(model.tower), **language_shapes(model.text_config)}
    assert sum(map(prod, shapes.values())) == entry.parameters
    assert (model.context_length, model.dtype) == (
        entry.context_length,
        "float16" if entry.template.endswith("5") else "bfloat16",
    )


@torch.inference_mode()
@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_the_tower_of_the_true_shape_gives_the_queries_of_the_checkpoint(entry: Any) -> None:
    from vlmplug.import_path import load

    with shape_folder(REGISTRY, entry.name, GOLDEN / TOKENIZERS[entry.name]) as folder:
        source = ModelSource(entry.name, entry.family, folder, read_config(folder), entry.template)
        model = PluginHost(REGISTRY).load_model(source)
    config = shape_config(REGISTRY, entry.name)
    with torch.device("meta"):
        tower = load(model.tower.builder)(model.tower.config)
        found = tower(torch.zeros(2, 28, 42, 3, dtype=torch.uint8))
    assert found.shape == (2, config["query_num"], config["hidden_size"])


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_files_tell_the_model_type(entry: Any, tmp_path: Path) -> None:
    config = {**shape_config(REGISTRY, entry.name), "auto_map": {}}
    family = detect_family(REGISTRY, tmp_path, config)
    fitting = [found.name for found in detect_types(REGISTRY, family, tmp_path, config) if found.fits]
    assert (family.name, fitting) == ("minicpm_v", [entry.name])


@pytest.mark.parametrize(
    ("name", "alias", "hub"),
    [
        ("minicpm-v-v2_5-chat", "minicpmv2_5", "MiniCPM-Llama3-V-2_5"),
        ("minicpm-v-v2_6-chat", "minicpmv2_6", "MiniCPM-V-2_6"),
    ],
)
def test_names(name: str, alias: str, hub: str) -> None:
    entry = REGISTRY.model_type(name)
    assert REGISTRY.model_type(alias) is entry
    assert (entry.hub.huggingface, entry.hub.modelscope) == (f"openbmb/{hub}", f"OpenBMB/{hub}")
    assert entry.template == name.removesuffix("-chat")


def test_clips_are_for_2_6_alone() -> None:
    assert {entry.name: "video" in entry.modalities for entry in TYPES} == {
        "minicpm-v-v2_5-chat": False,
        "minicpm-v-v2_6-chat": True,
    }


def test_the_manifest_requires_what_the_distribution_requires() -> None:
    lines = [line for line in metadata.requires("vlmplug-minicpm-v") or () if not line.startswith("vlmplug")]
    found = dict(match.groups() for line in lines if (match := re.fullmatch(r"([\w-]+)(.*)", line)))
    assert REGISTRY.plugin("minicpm_v").requires == found


def test_every_licence_says_where_its_text_is() -> None:
    assert {(entry.licence.name, entry.licence.accept) for entry in TYPES} == {("MiniCPM Model License", False)}
    assert all(entry.licence.url.startswith("https://") for entry in TYPES)
