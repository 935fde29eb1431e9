"""What a ``config.json`` says about quantised weights, and what of it the engine can run."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.errors import CheckpointMismatchError
from vlmplug.quantisation import quantisation_method, read_quantisation

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True}


@pytest.mark.parametrize("config", [{}, {"quantization_config": None}, {"llm_config": {}}, {"llm_config": "none"}])
def test_nothing_is_quantised(config: dict[str, Any]) -> None:
    assert quantisation_method(config) == ""
    assert read_quantisation(config) is None


@pytest.mark.parametrize("section", ["llm_config", "text_config", "language_config"])
def test_it_stands_at_the_top_or_beside_the_language_model(section: str) -> None:
    for config in ({"quantization_config": AWQ}, {section: {"quantization_config": AWQ}}):
        assert quantisation_method(config) == "awq"
        assert read_quantisation(config) == AWQ
    assert read_quantisation({"quantization_config": AWQ, section: {"quantization_config": dict(AWQ)}}) == AWQ


@pytest.mark.parametrize(
    ("declared", "read"),
    [
        ({"quant_method": "awq"}, AWQ),
        ({**AWQ, "version": "GEMM", "quant_method": "AWQ"}, AWQ),
        ({**AWQ, "version": None, "modules_to_not_convert": None}, AWQ),
        ({**AWQ, "group_size": 32}, {**AWQ, "group_size": 32}),
        ({**AWQ, "modules_to_not_convert": ["vision_model"]}, {**AWQ, "modules_to_not_convert": ["vision_model"]}),
        ({**AWQ, "do_fuse": False, "exllama_config": None}, AWQ),
    ],
)
def test_what_is_left_out_has_the_defaults_of_awq(declared: dict[str, Any], read: dict[str, Any]) -> None:
    assert read_quantisation({"quantization_config": declared}) == read


@pytest.mark.parametrize(
    ("declared", "method", "says"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq", "has no kernels for gptq"),
        ({"quant_method": "bitsandbytes"}, "bitsandbytes", "has no kernels for bitsandbytes"),
        ({"load_in_8bit": True}, "bitsandbytes", "has no kernels for bitsandbytes"),
        ({"quant_method": "fp8"}, "fp8", "is used with 4-bit AWQ only"),
        ({"bits": 4}, "unknown", r"quantised \(unknown\)"),
        (["awq"], "unknown", r"quantised \(unknown\)"),
        ({**AWQ, "bits": 3}, "awq", "bits is 3, expected 4"),
        ({**AWQ, "bits": "4"}, "awq", "bits is '4', expected 4"),
        ({**AWQ, "group_size": -1}, "awq", "group_size is -1, expected one of 32, 64, 128"),
        ({**AWQ, "group_size": [128]}, "awq", r"group_size is \[128\]"),
        ({**AWQ, "version": "gemv"}, "awq", "version is 'gemv', expected gemm"),
        ({**AWQ, "zero_point": False}, "awq", "zero_point is False, expected true"),
        ({**AWQ, "modules_to_not_convert": "all"}, "awq", "modules_to_not_convert is 'all', expected a list"),
        ({**AWQ, "modules_to_not_convert": [1]}, "awq", r"modules_to_not_convert is \[1\]"),
    ],
)
def test_everything_else_is_refused_with_the_reason(declared: Any, method: str, says: str) -> None:
    config = {"llm_config": {"quantization_config": declared}}
    assert quantisation_method(config) == method
    with pytest.raises(CheckpointMismatchError, match=says) as caught:
        read_quantisation(config)
    assert caught.value.remedy == "Use a 4-bit AWQ checkpoint, or the unquantised one."


def test_two_places_must_agree() -> None:
    other = {"quantization_config": {**AWQ, "group_size": 64}}
    with pytest.raises(CheckpointMismatchError, match="two quantization_config, which differ"):
        read_quantisation({"quantization_config": AWQ, "llm_config": other})
