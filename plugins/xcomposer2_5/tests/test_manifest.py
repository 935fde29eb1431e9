"""The manifest of XComposer2.5: its numbers fit together, and its model type is that of ms-swift and the hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch

from plugins.xcomposer2_5.tests.conftest import FAMILY, GOLDEN, TYPE
from vlmplug.checkpoint import shape_config
from vlmplug.config_json import read_config
from vlmplug.detection import detect_family, detect_types
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.engine.language_shapes import language_shapes
from vlmplug.engine.tower_weights import tower_shapes
from vlmplug.engine.weights import language_config
from vlmplug.host import PluginHost
from vlmplug.import_path import load
from vlmplug.memory import memory_needed
from vlmplug.model import FamilyModel, ModelSource
from vlmplug.registry import load_registry
from vlmplug.shape_folder import shape_folder

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
ENTRY = REGISTRY.model_type(TYPE)
HIDDEN, INNER, LAYERS, RANK = 4096, 14336, 32, 256
#: Outputs and inputs of the linear layers of the language model, w1 and w3 alike.
LINEAR = {
    "wqkv": (6144, HIDDEN),
    "wo": (HIDDEN, HIDDEN),
    "w1": (INNER, HIDDEN),
    "w3": (INNER, HIDDEN),
    "w2": (HIDDEN, INNER),
}


@pytest.fixture(scope="module")
def model() -> FamilyModel:
    """What the hooks make of the configuration of true size."""
    with shape_folder(REGISTRY, TYPE, GOLDEN / "tiny") as folder:
        source = ModelSource(TYPE, FAMILY, folder, read_config(folder), ENTRY.template)
        return PluginHost(REGISTRY).load_model(source)


def test_parameters_are_those_of_the_official_code(model: FamilyModel) -> None:
    language = LAYERS * (sum(prod(sizes) for sizes in LINEAR.values()) + 2 * HIDDEN) + 2 * 92544 * HIDDEN + HIDDEN
    additions = LAYERS * RANK * sum(sum(sizes) for sizes in LINEAR.values())
    clip_layer = 4 * (1024**2 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 4 * 1024
    clip = 24 * clip_layer + 1601 * 1024 + 1024 + 3 * 14**2 * 1024 + 2 * 1024
    projector = 2 * (HIDDEN**2 + HIDDEN) + 2 * HIDDEN
    assert ENTRY.parameters == language + additions + clip + projector
    shapes = {**tower_shapes(model.tower), **language_shapes(language_config(model))}
    assert sum(map(prod, shapes.values())) == ENTRY.parameters
    assert [round(part / 1e9, 3) for part in (language, additions, clip, projector)] == [7.738, 0.604, 0.305, 0.034]


def test_names_and_shapes_of_additions(model: FamilyModel) -> None:
    shapes = language_shapes(language_config(model))
    assert shapes["model.layers.31.attention.wqkv.Plora_B.weight"] == (6144, 256)
    assert shapes["model.layers.0.feed_forward.w2.Plora_A.weight"] == (256, 14336)
    assert shapes["model.layers.0.feed_forward.w1.Plora_B.weight"] == (14336, 256)
    assert sum("Plora" in name for name in shapes) == 32 * 5 * 2


@torch.inference_mode()
def test_the_tower_of_true_size_gives_the_rows_of_the_language_model(model: FamilyModel) -> None:
    with torch.device("meta"):
        tower = load(model.tower.builder)(model.tower.config)
        views = tower(torch.zeros(3, 560, 560, 3))
        rows = tower.arrange(list(views), (2, 1))
    assert (views.shape, rows.shape) == ((3, 400, 4096), (1241, 4096))


def test_files_tell_the_model_type_also_where_the_architecture_misleads(tmp_path: Path) -> None:
    """The official file has no ranks of additions; other scalings of positions are another thing than shapes."""
    official = {name: value for name, value in shape_config(REGISTRY, TYPE).items() if name != "partial_lora"}
    unscaled = {name: value for name, value in official.items() if name != "rope_scaling"}
    for changes in ({"architectures": ["InternLM2ForCausalLM"]}, {"rope_scaling": {"type": "dynamic", "factor": 2.0}}):
        check_detected(official | changes, tmp_path)
    for config in (official, unscaled, shape_config(REGISTRY, TYPE)):
        check_detected(config, tmp_path)


def check_detected(config: Mapping[str, Any], folder: Path) -> None:
    family = detect_family(REGISTRY, folder, config)
    fitting = [found.name for found in detect_types(REGISTRY, family, folder, config) if found.fits]
    assert (family.name, fitting) == (FAMILY, [TYPE])


def test_names() -> None:
    assert REGISTRY.model_type("xcomposer2_5") is ENTRY
    assert ENTRY.hub.huggingface == "internlm/internlm-xcomposer2d5-7b"
    assert ENTRY.hub.modelscope == "Shanghai_AI_Laboratory/internlm-xcomposer2d5-7b"
    assert ENTRY.modalities == ("text", "image", "video")


def test_the_length_is_that_of_the_shape(model: FamilyModel) -> None:
    assert (model.context_length, model.dtype) == (ENTRY.context_length, "bfloat16")
    assert model.settings.longest_prompt == 16384


def test_memory_counts_all_weights() -> None:
    needed = memory_needed(ENTRY)
    assert needed is not None and needed.weights == 2 * ENTRY.parameters


def test_the_manifest_requires_what_the_distribution_requires() -> None:
    lines = [line for line in metadata.requires("vlmplug-xcomposer2-5") or () if not line.startswith("vlmplug")]
    found = dict(match.groups() for line in lines if (match := re.fullmatch(r"([\w-]+)(.*)", line)))
    assert REGISTRY.plugin(FAMILY).requires == found
