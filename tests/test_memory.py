"""The memory that a model needs, counted from the numbers of its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.checkpoint import shape_config
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.memory import (
    AWQ_GROUP,
    FIXED_RESERVE,
    PREFILL_TOKENS,
    TOWER_TILES,
    LanguageSize,
    Memory,
    Setup,
    WeightType,
    language_size,
    memory_needed,
)
from vlmplug.registry import load_registry

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
MEASURED = json.loads((Path(__file__).parents[1] / "benchmarks/results/memory-h200.json").read_text("utf-8"))
SHAPED = [entry for entry in REGISTRY.model_types.values() if entry.shape is not None]
#: InternLM2 has the shapes of Llama; only its names and the order of its rows are others.
CLASSES = {
    "Qwen2ForCausalLM": "Qwen2",
    "LlamaForCausalLM": "Llama",
    "InternLM2ForCausalLM": "Llama",
    "Phi3ForCausalLM": "Phi3",
}


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def module(language: Mapping[str, Any]) -> torch.nn.Module:
    """The language model of a configuration as transformers builds it, without memory for its weights."""
    kind = CLASSES[language["architectures"][0]]
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    sizes = {name: language[name] for name in (*names, "vocab_size", "tie_word_embeddings")}
    config = getattr(transformers, f"{kind}Config")(**sizes, pad_token_id=0)
    with torch.device("meta"):
        return getattr(transformers, f"{kind}ForCausalLM")(config)


def size_of(name: str) -> LanguageSize:
    size = language_size(shape_config(REGISTRY, name), REGISTRY.model_type(name).language_architecture)
    assert size is not None
    return size


def needed(name: str, weights: WeightType = "bfloat16", tp: int = 1, tokens: int = 8192) -> Memory:
    memory = memory_needed(REGISTRY.model_type(name), Setup(weights, tp, tokens))
    assert memory is not None
    return memory


@pytest.mark.parametrize("name", ["internvl2-1b", "internvl2-2b", "internvl2-4b", "internvl2-40b", "internvl2_5-78b"])
def test_language_models_have_as_many_weights_as_the_real_modules(name: str) -> None:
    real = parameters(module(shape_config(REGISTRY, name)["llm_config"]))
    assert abs(size_of(name).parameters - real) / real < 0.01


@pytest.mark.parametrize("tied", [False, True])
def test_tied_embeddings_are_counted_once(tied: bool) -> None:
    language = {**shape_config(REGISTRY, "internvl2-1b")["llm_config"], "tie_word_embeddings": tied}
    size = language_size({"text_config": language})
    assert size is not None
    assert size.parameters == parameters(module(language))


@pytest.mark.parametrize("entry", SHAPED, ids=lambda entry: entry.name)
def test_language_model_tower_and_projector_are_the_whole_model(entry: Any) -> None:
    assert entry.vision_parameters is not None
    assert size_of(entry.name).parameters + entry.vision_parameters == entry.parameters


@pytest.mark.parametrize(("weights", "width"), [("float32", 4), ("bfloat16", 2), ("float16", 2)])
def test_weights_on_one_device_are_all_parameters(weights: WeightType, width: int) -> None:
    assert needed("internvl2-8b", weights).weights == 8_075_365_376 * width


def test_the_cache_of_a_model_with_shared_keys_and_values() -> None:
    # 32 layers, 8 heads of 128 for keys and values, two bytes each
    assert needed("internvl2-8b", tokens=1000).cache == 2 * 32 * 8 * 128 * 1000 * 2
    assert needed("internvl2-8b", "float32", tokens=1000).cache == 2 * 32 * 8 * 128 * 1000 * 4


def test_the_cache_ends_where_the_model_ends() -> None:
    assert needed("internvl2-40b", tokens=10**6) == needed("internvl2-40b", tokens=4096)


def test_the_reserve_holds_a_prefill_or_the_tower_whichever_is_larger() -> None:
    prefill, tower = PREFILL_TOKENS * (4 * 4096 + 3 * 14336), TOWER_TILES * 1025 * (4 * 1024 + 2 * 4096)
    assert needed("internvl2-8b").reserve == FIXED_RESERVE + 2 * prefill * 2
    assert needed("internvl2-8b", tokens=2 * PREFILL_TOKENS).reserve == needed("internvl2-8b").reserve
    assert needed("internvl2-8b", tokens=1).reserve == FIXED_RESERVE + 2 * tower * 2
    assert needed("internvl2-8b", "float32").reserve == FIXED_RESERVE + 2 * prefill * 4


@pytest.mark.parametrize("measured", MEASURED["models"], ids=lambda measured: measured["model_type"])
def test_the_reserve_is_enough_for_what_was_measured_on_a_gpu_and_not_much_more(measured: dict[str, Any]) -> None:
    reserve = needed(measured["model_type"]).reserve / 2**30
    assert measured["reserve_gib"] < reserve < 1.5 * measured["reserve_gib"]


def test_the_reserve_of_a_tower_of_unknown_shape_is_that_of_the_language_model() -> None:
    entry = REGISTRY.model_type("internvl2-8b")
    assert entry.shape is not None
    config = {**entry.shape.config, "vision_config": {"image_size": 448}}
    found = memory_needed(replace(entry, shape=replace(entry.shape, config=config)))
    assert found is not None
    assert found.reserve == needed("internvl2-8b").reserve


def test_devices_share_the_layers_and_hold_the_rest_whole() -> None:
    size, vision = size_of("internvl2-26b"), REGISTRY.model_type("internvl2-26b").vision_parameters
    assert vision is not None
    assert needed("internvl2-26b", tp=2).weights == 2 * (vision + size.rest) + size.matrices
    assert needed("internvl2-26b", tp=4).cache == needed("internvl2-26b").cache // 4


def test_keys_and_values_are_not_shared_further_than_to_one_head() -> None:
    two, eight = needed("internvl2_5-4b", tp=2), needed("internvl2_5-4b", tp=8)  # two heads of keys and values
    assert eight.cache == two.cache
    assert eight.weights < two.weights


@pytest.mark.parametrize(("name", "tp", "possible"), [("internvl2-1b", 2, True), ("internvl2-1b", 4, False)])
def test_numbers_of_devices_that_heads_cannot_be_shared_by(name: str, tp: int, possible: bool) -> None:
    assert (memory_needed(REGISTRY.model_type(name), Setup(tp=tp)) is not None) == possible


def test_awq_packs_the_layers_and_nothing_else() -> None:
    entry, size = REGISTRY.model_type("internvl2-8b"), size_of("internvl2-8b")
    packed = size.matrices // 2 + size.matrices // AWQ_GROUP * 2 + size.matrices // AWQ_GROUP // 2
    whole = 2 * (entry.parameters - size.matrices)
    assert needed("internvl2-8b", "awq").weights == pytest.approx(packed + whole, abs=8)
    assert needed("internvl2-8b", "awq").cache == needed("internvl2-8b").cache


def test_a_quantised_type_is_counted_as_it_is() -> None:
    entry = REGISTRY.model_type("internvl2-8b-awq")
    assert memory_needed(entry) == needed("internvl2-8b-awq", "awq") == needed("internvl2-8b", "awq")
    assert memory_needed(entry, Setup("bfloat16")) is None


def test_smaller_groups_have_more_scales() -> None:
    entry = REGISTRY.model_type("internvl2-8b-awq")
    assert entry.shape is not None
    config = {**entry.shape.config, "quantization_config": {"quant_method": "awq", "group_size": 64}}
    found = memory_needed(replace(entry, shape=replace(entry.shape, config=config)))
    assert found is not None
    more = size_of("internvl2-8b").matrices * (2 + 0.5) / 128
    assert found.weights - needed("internvl2-8b-awq", "awq").weights == pytest.approx(more, abs=8)


def test_weights_that_cannot_be_run_need_an_unknown_amount() -> None:
    entry = REGISTRY.model_type("internvl2-8b-awq")
    assert entry.shape is not None
    config = {**entry.shape.config, "quantization_config": {"quant_method": "gptq"}}
    assert memory_needed(replace(entry, shape=replace(entry.shape, config=config))) is None


def test_awq_needs_sizes_that_its_groups_divide() -> None:
    assert memory_needed(REGISTRY.model_type("internvl2-1b"), Setup("awq")) is not None
    assert memory_needed(REGISTRY.model_type("internvl2-1b"), Setup("awq", 2)) is None  # 448 inputs for each
    assert memory_needed(REGISTRY.model_type("internvl2-tiny"), Setup("awq")) is None
    assert memory_needed(REGISTRY.model_type("internvl2-tiny")) is not None  # its own checkpoint tells its shapes


def test_unknown_shapes_need_an_unknown_amount() -> None:
    entry = REGISTRY.model_type("internvl2-2b")
    assert memory_needed(replace(entry, shape=None)) is None
    assert language_size({"llm_config": {"architectures": ["MambaForCausalLM"]}}) is None
    assert language_size({"architectures": ["LlamaForCausalLM"]}) is None
    assert language_size({}) is None


def test_without_a_count_of_the_tower_the_rest_of_the_parameters_is_taken_for_it() -> None:
    entry = REGISTRY.model_type("internvl2-2b")
    assert memory_needed(replace(entry, vision_parameters=None), Setup(tp=2)) == memory_needed(entry, Setup(tp=2))


@given(st.sampled_from(SHAPED), st.sampled_from(["float32", "bfloat16", "awq"]), st.integers(1, 40_000))
def test_more_devices_never_need_more_each(entry: Any, weights: WeightType, tokens: int) -> None:
    found = [memory_needed(entry, Setup(weights, tp, tokens)) for tp in (1, 2, 4, 8)]
    totals = [memory.total for memory in found if memory is not None]
    assert totals == sorted(totals, reverse=True)


def test_an_architecture_of_the_whole_model_hides_that_of_the_language_model() -> None:
    entry, config = REGISTRY.model_type("minicpm-v-v2_5-chat"), shape_config(REGISTRY, "minicpm-v-v2_5-chat")
    assert language_size(config) is None
    language = {**config, "architectures": ["LlamaForCausalLM"]}
    assert size_of(entry.name).parameters == parameters(module(language)) == 8_030_261_248
    assert memory_needed(replace(entry, language_architecture="")) is None


def test_tiles_may_be_smaller_than_the_grid_that_a_tower_was_trained_with() -> None:
    tower = TOWER_TILES * (32 * 32 + 1) * (4 * 1152 + 2 * 4304)  # not 70 x 70 patches
    assert needed("minicpm-v-v2_5-chat", tokens=1).reserve == FIXED_RESERVE + 2 * tower * 2
