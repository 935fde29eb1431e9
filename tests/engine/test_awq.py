"""Tensors of AWQ checkpoints have the names and shapes of lmdeploy's layers; other sizes are refused."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.engine.awq import awq_obstacle, check_awq, group_size, is_packed, stored_shapes
from vlmplug.engine.language_shapes import language_shapes
from vlmplug.errors import WeightsError

SIZES = {
    "hidden_size": 512,
    "intermediate_size": 768,
    "vocab_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "architectures": ["InternLM2ForCausalLM"],
}
AWQ = {**SIZES, "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}}
ARCHITECTURES = ["InternLM2ForCausalLM", "LlamaForCausalLM", "Qwen2ForCausalLM", "Phi3ForCausalLM"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_layer_of_the_decoder_is_packed_and_nothing_else(architecture: str) -> None:
    config = {**AWQ, "architectures": [architecture]}
    plain, stored = language_shapes(config), stored_shapes(config)
    layers = {name.removesuffix(".weight") for name, shape in plain.items() if ".layers." in name and len(shape) == 2}
    kept = {name: shape for name, shape in plain.items() if name.removesuffix(".weight") not in layers}
    packed = {f"{layer}.{part}" for layer in layers for part in ("qweight", "qzeros", "scales")}
    assert set(stored) == packed | set(kept)
    assert all(stored[name] == shape for name, shape in kept.items())
    for layer in layers:
        outputs, inputs = plain[f"{layer}.weight"]
        assert stored[f"{layer}.qweight"] == (inputs, outputs // 8)
        assert stored[f"{layer}.qzeros"] == (inputs // 128, outputs // 8)
        assert stored[f"{layer}.scales"] == (inputs // 128, outputs)


def test_a_plain_language_model_is_stored_as_it_is() -> None:
    assert group_size(SIZES) is None
    assert stored_shapes(SIZES) == language_shapes(SIZES)
    check_awq(SIZES, "cuda", "bfloat16")


def test_packed_numbers_are_known_by_name() -> None:
    names = ("a.qweight", "a.qzeros", "a.scales", "a.weight", "qweight.bias")
    assert [name for name in names if is_packed(name)] == ["a.qweight", "a.qzeros"]


@pytest.mark.parametrize(
    ("changes", "group", "tp", "says"),
    [
        ({}, 128, 1, ""),
        ({}, 128, 2, ""),
        ({}, 64, 4, ""),
        ({"hidden_size": 576, "head_dim": 128}, 128, 1, "the hidden size, 576, is not made of whole AWQ groups of 128"),
        ({"hidden_size": 576, "head_dim": 128}, 64, 1, ""),
        ({"intermediate_size": 800}, 128, 1, "the inner size, 800, is not made of whole"),
        ({}, 128, 4, "the inner size, 768, cannot be shared by 4 of whole AWQ groups of 128"),
        ({"intermediate_size": 1024}, 128, 4, ""),  # two ranks have copies of each key head
        ({"intermediate_size": 1024}, 128, 8, "the size of all query heads, 512, cannot be shared by 8"),
        ({"head_dim": 64, "num_attention_heads": 8}, 128, 1, ""),
        ({"head_dim": 64, "num_attention_heads": 8}, 128, 2, "the size of all key heads, 128, cannot be shared by 2"),
        ({"bias": True, "intermediate_size": 1024}, 128, 2, ""),
        ({"bias": True, "intermediate_size": 1024}, 128, 4, "lmdeploy adds the bias of AWQ output layers once a rank"),
    ],
)
def test_ranks_get_whole_groups(changes: dict[str, Any], group: int, tp: int, says: str) -> None:
    found = awq_obstacle({**SIZES, **changes}, group, tp)
    assert found.startswith(says) and bool(found) == bool(says)


def test_sizes_that_are_no_whole_groups_are_refused_before_anything_is_built() -> None:
    with pytest.raises(WeightsError, match="the inner size, 800, is not made of whole AWQ groups of 128"):
        check_awq({**AWQ, "intermediate_size": 800}, "cpu", "float32")
