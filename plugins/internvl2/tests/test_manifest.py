"""The manifest of InternVL2: its numbers fit together, and its model types are those of ms-swift and the hub."""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any

import pytest
import torch

from tests.awq_maker import DECLARED
from vlmplug.checkpoint import shape_config
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.engine.awq import awq_obstacle
from vlmplug.quantisation import read_quantisation
from vlmplug.registry import load_registry
from vlmplug_internvl2.tower import build_tower

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
TYPES = [entry for entry in REGISTRY.model_types.values() if entry.plugin == "internvl2"]

#: Weights of the official checkpoints that a primary copy or the model card confirms.
CONFIRMED = {
    "internvl2-1b": 938_158_976,
    "internvl2-2b": 2_205_754_368,
    "internvl2-4b": 4_146_855_936,
    "internvl2-8b": 8_075_365_376,
    "internvl2-26b": 25_514_186_112,
}
AWQ = ["internvl2-2b-awq", "internvl2-8b-awq", "internvl2-26b-awq", "internvl2-40b-awq", "internvl2-llama3-76b-awq"]
SWIFT = [
    "internvl-chat-v1_5",
    "mini-internvl-chat-2b-v1_5",
    "mini-internvl-chat-4b-v1_5",
    "internvl2-1b",
    "internvl2-2b",
    "internvl2-4b",
    "internvl2-8b",
    "internvl2-26b",
    "internvl2-40b",
    "internvl2-llama3-76b",
    *AWQ,
]


def tower_weights(tower: dict[str, Any]) -> int:
    """Weights of the vision tower."""
    hidden, inner = tower["hidden_size"], tower["intermediate_size"]
    positions = (tower["image_size"] // tower["patch_size"]) ** 2 + 1
    embeddings = hidden + positions * hidden + hidden * 3 * tower["patch_size"] ** 2 + hidden
    norm = hidden * (2 if tower["norm_type"] == "layer_norm" else 1)
    attention = 4 * hidden * hidden + hidden + 3 * hidden * tower["qkv_bias"] + 2 * hidden * tower["qk_normalization"]
    mlp = 2 * hidden * inner + inner + hidden
    return int(embeddings + tower["num_hidden_layers"] * (attention + mlp + 2 * norm + 2 * hidden))


def language_weights(language: dict[str, Any]) -> int:
    """Weights of the language model, with an output layer of its own."""
    hidden, heads = language["hidden_size"], language["num_attention_heads"]
    width = (heads + 2 * language["num_key_value_heads"]) * hidden // heads
    bias = width if language["architectures"] == ["Qwen2ForCausalLM"] else 0
    layer = hidden * width + bias + hidden * hidden + 3 * hidden * language["intermediate_size"] + 2 * hidden
    return int(2 * language["vocab_size"] * hidden + hidden + language["num_hidden_layers"] * layer)


def all_weights(config: dict[str, Any]) -> int:
    """Weights of tower, projector and language model."""
    wide, hidden = 4 * config["vision_config"]["hidden_size"], config["llm_config"]["hidden_size"]
    projector = 2 * wide + wide * hidden + hidden + hidden * hidden + hidden
    return tower_weights(config["vision_config"]) + projector + language_weights(config["llm_config"])


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_parameters_are_those_of_the_shape(entry) -> None:
    assert all_weights(shape_config(REGISTRY, entry.name)) == entry.parameters


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_vision_parameters_are_those_of_the_tower(entry) -> None:
    with torch.device("meta"):
        tower = build_tower(shape_config(REGISTRY, entry.name))
    assert entry.vision_parameters == sum(weight.numel() for weight in tower.parameters())


def test_the_manifest_requires_what_the_distribution_requires() -> None:
    lines = [line for line in metadata.requires("vlmplug-internvl2") or () if not line.startswith("vlmplug")]
    assert REGISTRY.plugin("internvl2").requires == {
        name: specifier for name, specifier in (re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in lines)
    }


def test_every_licence_says_where_its_text_is() -> None:
    assert {(entry.licence.name, entry.licence.accept) for entry in TYPES} == {("MIT", False)}
    assert all(entry.licence.url.startswith("https://") for entry in TYPES)


@pytest.mark.parametrize(("name", "weights"), CONFIRMED.items())
def test_parameters_are_those_of_the_official_checkpoints(name: str, weights: int) -> None:
    assert REGISTRY.model_type(name).parameters == weights


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_a_shape_is_a_whole_config(entry) -> None:
    config = shape_config(REGISTRY, entry.name)
    assert config["architectures"] == list(REGISTRY.family("internvl2").architectures)
    assert config["llm_config"]["max_position_embeddings"] == entry.context_length
    assert config["llm_config"]["tie_word_embeddings"] is False
    assert config["llm_config"]["hidden_size"] % config["llm_config"]["num_attention_heads"] == 0
    assert config["vision_config"]["image_size"] == config["force_image_size"] == 448


@pytest.mark.parametrize("name", SWIFT)
def test_the_model_types_of_ms_swift_are_there(name: str) -> None:
    entry = REGISTRY.model_type(name)
    assert entry.family == "internvl2"
    assert entry.hub.huggingface is not None
    assert entry.hub.huggingface.lower().replace("-v1-5", "-v1_5") == f"opengvlab/{name}"


def test_numbers_without_a_primary_copy_are_marked() -> None:
    uncertain = {entry.name for entry in TYPES if entry.shape is not None and entry.shape.uncertain}
    assert uncertain >= {"internvl2-4b", "internvl2-40b", "internvl2-llama3-76b"}
    assert uncertain.isdisjoint({"internvl2-1b", "internvl2-2b", "internvl2-8b", "internvl2-26b"})


@pytest.mark.parametrize("name", AWQ)
def test_quantised_types_are_the_others_with_four_bits(name: str) -> None:
    plain, entry = REGISTRY.model_type(name.removesuffix("-awq")), REGISTRY.model_type(name)
    same = ("template", "modalities", "parameters", "vision_parameters", "context_length", "language_model", "licence")
    assert [getattr(entry, field) for field in same] == [getattr(plain, field) for field in same]
    assert entry.hub.huggingface == entry.hub.modelscope == f"{plain.hub.huggingface}-AWQ"
    assert entry.shape is not None and entry.shape.uncertain
    config = shape_config(REGISTRY, name)
    assert config.pop("quantization_config") == {**DECLARED, "group_size": 128}
    assert config == shape_config(REGISTRY, plain.name)
    assert read_quantisation(shape_config(REGISTRY, name)) == {**DECLARED, "group_size": 128}
    assert [tp for tp in (1, 2, 4, 8) if not awq_obstacle(config["llm_config"], 128, tp)] == [1, 2, 4, 8]


def test_longrope_has_a_factor_for_every_pair_of_dimensions() -> None:
    language = shape_config(REGISTRY, "internvl2-4b")["llm_config"]
    pairs = language["hidden_size"] // language["num_attention_heads"] // 2
    assert [len(language["rope_scaling"][key]) for key in ("long_factor", "short_factor")] == [pairs, pairs]


def test_defaults_are_those_of_the_official_code() -> None:
    options = REGISTRY.family("internvl2").media_options
    assert {name: option.default for name, option in options.items() if option.default is not None} == {
        "combine_images": False,
        "num_segments": 8,
        "frame_max_num": 1,
    }
