"""The weights that we expect of a language model are those that transformers' model of that architecture has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from vlmplug.engine.language_shapes import language_shapes
from vlmplug.errors import EngineOptionError

SIZES = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "vocab_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("architecture", "kind", "more"),
    [
        ("LlamaForCausalLM", "Llama", {}),
        ("LlamaForCausalLM", "Llama", {"attention_bias": True}),
        ("Qwen2ForCausalLM", "Qwen2", {}),
        ("Phi3ForCausalLM", "Phi3", {"pad_token_id": 0}),
    ],
)
def test_names_and_shapes_are_those_of_transformers(
    architecture: str, kind: str, more: dict[str, Any], tied: bool
) -> None:
    config = getattr(transformers, f"{kind}Config")(**SIZES, **more, tie_word_embeddings=tied)
    with torch.device("meta"):
        model = getattr(transformers, architecture)(config)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if tied:
        del expected["lm_head.weight"]
    text = {**SIZES, **more, "architectures": [architecture], "tie_word_embeddings": tied}
    assert language_shapes(text) == expected


def test_internlm2_fuses_query_key_and_value() -> None:
    shapes = language_shapes({**SIZES, "architectures": ["InternLM2ForCausalLM"], "bias": False})
    head = 48 // 4
    assert shapes["model.layers.1.attention.wqkv.weight"] == ((4 + 2 * 2) * head, 48)
    assert shapes["model.layers.0.feed_forward.w2.weight"] == (48, 80)
    assert shapes["output.weight"] == shapes["model.tok_embeddings.weight"] == (96, 48)
    assert len(shapes) == 3 + 2 * 7


def test_an_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(EngineOptionError, match=r"MambaForCausalLM.*InternLM2ForCausalLM"):
        language_shapes({"architectures": ["MambaForCausalLM"]})
