"""Official configurations as lmdeploy and transformers 5 read them."""

from __future__ import annotations

from typing import Any

import pytest
import transformers

from vlmplug.checkpoint import shape_config
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.registry import load_registry
from vlmplug_internvl2.config import checked, rope_parameters, settings, text_config, tower_config
from vlmplug_internvl2.templates import template_of

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
TYPES = [entry for entry in REGISTRY.model_types.values() if entry.plugin == "internvl2"]
NATIVE = {
    "LlamaForCausalLM": transformers.LlamaConfig,
    "Qwen2ForCausalLM": transformers.Qwen2Config,
    "Phi3ForCausalLM": transformers.Phi3Config,
}


def official(model_type: str) -> dict[str, Any]:
    """The configuration of a size, with defaults filled in."""
    return checked(shape_config(REGISTRY, model_type))


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_every_size(entry: Any) -> None:
    config = official(entry.name)
    text, found = text_config(config), settings(config, template_of(config, entry.template))
    assert text["model_type"] in ("internlm2", "qwen2", "phi3", "llama")
    assert text["tie_word_embeddings"] is False
    assert not {"auto_map", "attn_implementation", "rope_theta", "rope_scaling"} & text.keys()
    assert (found.tile_size, found.tokens_per_tile) == (448, 256)
    assert (found.options.min_num, found.options.max_num, found.options.use_thumbnail) == (1, 12, True)
    assert tower_config(config)["llm_config"] == {"hidden_size": text["hidden_size"]}


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_transformers_takes_it_unchanged(entry: Any) -> None:
    text = text_config(official(entry.name))
    if text["architectures"][0] not in NATIVE:
        assert text["architectures"] == ["InternLM2ForCausalLM"]
        return
    config = NATIVE[text["architectures"][0]](**text)
    for name, value in text.items():
        assert getattr(config, name) == value or name == "rope_parameters", name
    assert {**text["rope_parameters"], **config.rope_parameters} == config.rope_parameters


LONG = {"short_factor": [1.0], "long_factor": [2.0]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"rope_type": "default", "rope_theta": 10_000.0}),
        ({"rope_theta": None}, {"rope_type": "default", "rope_theta": 10_000.0}),
        ({"rope_theta": 1_000_000}, {"rope_type": "default", "rope_theta": 1e6}),
        (
            {"rope_theta": 1e6, "rope_scaling": {"type": "dynamic", "factor": 2.0}},
            {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e6},
        ),
        (
            {"rope_scaling": {"type": "su", **LONG}, "original_max_position_embeddings": 4096},
            {"rope_type": "longrope", **LONG, "original_max_position_embeddings": 4096, "rope_theta": 10_000.0},
        ),
        (
            {"rope_scaling": {"rope_type": "longrope", "original_max_position_embeddings": 8, **LONG}},
            {"rope_type": "longrope", **LONG, "original_max_position_embeddings": 8, "rope_theta": 10_000.0},
        ),
        (
            {"rope_parameters": {"rope_type": "default", "rope_theta": 5e6}},
            {"rope_type": "default", "rope_theta": 5e6},
        ),
    ],
)
def test_rotary_parameters(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert rope_parameters({"max_position_embeddings": 131072, **fields}) == expected


def test_what_a_config_leaves_out_is_the_official_default() -> None:
    config = checked({"architectures": ["InternVLChatModel"], "vision_config": {}, "llm_config": {"hidden_size": 8}})
    assert tower_config(config) == {
        "downsample_ratio": 0.5,
        "ps_version": "v1",
        "select_layer": -1,
        "llm_config": {"hidden_size": 8},
        "vision_config": {
            "hidden_size": 3200,
            "intermediate_size": 12800,
            "num_hidden_layers": 48,
            "num_attention_heads": 25,
            "num_channels": 3,
            "image_size": 224,
            "patch_size": 14,
            "norm_type": "rms_norm",
            "qk_normalization": True,
            "qkv_bias": False,
            "layer_norm_eps": 1e-6,
            "initializer_factor": 0.1,
        },
    }
    assert settings(config, template_of({}, "Hermes-2")).options.max_num == 1
