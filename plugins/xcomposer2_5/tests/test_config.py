"""What is read from config.json, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.xcomposer2_5.tests.conftest import Load
from vlmplug.errors import CheckpointMismatchError

XCOMPOSER = "modeling_internlm_xcomposer2.InternLMXComposer2ForCausalLM"


def test_the_language_model(load: Load) -> None:
    text = load().text_config
    assert text["architectures"] == ["InternLM2ForCausalLM"]
    assert text["rope_parameters"] == {"rope_type": "default", "rope_theta": 1_000_000.0}
    assert (text["bias"], text["tie_word_embeddings"]) == (False, False)
    assert "auto_map" not in text and "rope_scaling" not in text
    assert (text["hidden_size"], text["num_key_value_heads"], text["vocab_size"]) == (128, 2, 704)


@pytest.mark.parametrize(
    "changes",
    [
        {"architectures": ["InternLM2ForCausalLM"]},
        {"architectures": None},
        {"auto_map": None},
        {"model_type": "internlmxcomposer2"},
        {"img_size": 560},
        {"rope_scaling": None},
        {"rope_scaling": {"rope_type": "dynamic", "factor": 3.0}},
    ],
    ids=str,
)
def test_forms_of_the_same(load: Load, changes: dict[str, Any]) -> None:
    assert load(**changes).text_config == load().text_config


def test_lengths(load: Load) -> None:
    model = load()
    assert (model.context_length, model.settings.longest_prompt) == (32768, 16384)
    assert load(max_position_embeddings=2048, max_length=None).settings.longest_prompt == 2048


def test_the_data_type_is_that_of_the_file(load: Load) -> None:
    assert load().dtype == "float32"
    assert load(torch_dtype=None).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"architectures": ["InternLM2ForCausalLM"], "auto_map": None}, "InternLM2ForCausalLM"),
        ({"architectures": [], "auto_map": {"AutoModel": "m.Other"}}, "Other"),
        ({"img_size": 490}, "img_size is 490"),
        ({"img_size": 224}, "XComposer2 is not supported"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, r"quantised \(awq\)"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"vocab_size": None}, "config.json has no vocab_size"),
        ({"num_attention_heads": 3}, "hidden_size is 128"),
        ({"num_key_value_heads": 3}, "num_attention_heads is 4"),
        ({"rope_theta": "large"}, "rope_theta is 'large'"),
        ({"rms_norm_eps": 0}, "rms_norm_eps is 0"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling"),
        ({"rope_scaling": "dynamic?"}, "rope_scaling"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"max_length": -1}, "max_length is -1"),
        ({"torch_dtype": "int8"}, "int8"),
        ({"vocab_size": 700}, "704 tokens"),
    ],
    ids=str,
)
def test_what_is_refused(load: Load, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(CheckpointMismatchError, match=says):
        load(**changes)
