"""The weights that we expect of a language model are those that transformers' model of that architecture has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from vlmplug.engine.language_shapes import PARTIAL_LORA, language_shapes, standard_names
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


def test_qwen_is_a_fused_qwen2_of_half_the_inner_size() -> None:
    own = {**SIZES, "num_key_value_heads": 4}
    official = {key: size for key, size in own.items() if key != "num_key_value_heads"}
    shapes = language_shapes({**official, "intermediate_size": 160, "architectures": ["QWenLMHeadModel"]})
    assert shapes == language_shapes({**own, "architectures": ["Qwen2ForCausalLM"], "fused_qkv": True})
    assert shapes["model.layers.1.self_attn.qkv_proj.weight"] == (144, 48)
    assert shapes["model.layers.1.self_attn.qkv_proj.bias"] == (144,)
    assert shapes["model.layers.1.mlp.up_proj.weight"] == (80, 48)


def test_internlm2_fuses_query_key_and_value() -> None:
    shapes = language_shapes({**SIZES, "architectures": ["InternLM2ForCausalLM"], "bias": False})
    head = 48 // 4
    assert shapes["model.layers.1.attention.wqkv.weight"] == ((4 + 2 * 2) * head, 48)
    assert shapes["model.layers.0.feed_forward.w2.weight"] == (48, 80)
    assert shapes["output.weight"] == shapes["model.tok_embeddings.weight"] == (96, 48)
    assert len(shapes) == 3 + 2 * 7


CHATGLM = {
    "hidden_size": 48,
    "ffn_hidden_size": 80,
    "padded_vocab_size": 96,
    "num_layers": 2,
    "num_attention_heads": 4,
    "kv_channels": 12,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "add_qkv_bias": True,
}


@pytest.mark.parametrize("architecture", ["ChatGLMModel", "ChatGLMForConditionalGeneration"])
@pytest.mark.parametrize("changes", [{}, {"multi_query_attention": False}, {"add_qkv_bias": False}], ids=str)
def test_chatglm_reads_as_many_weights_as_transformers_own_glm(architecture: str, changes: dict[str, Any]) -> None:
    config = {**CHATGLM, **changes}
    groups = config["multi_query_group_num"] if config["multi_query_attention"] else config["num_attention_heads"]
    glm = transformers.GlmConfig(
        **{**SIZES, "num_key_value_heads": groups},
        head_dim=12,
        attention_bias=config["add_qkv_bias"],
        tie_word_embeddings=False,
        pad_token_id=0,
    )
    with torch.device("meta"):
        expected = sum(weight.numel() for weight in transformers.GlmForCausalLM(glm).parameters())
    shapes = language_shapes({**config, "architectures": [architecture]})
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == expected
    assert shapes["transformer.encoder.layers.1.self_attention.query_key_value.weight"] == ((4 + 2 * groups) * 12, 48)
    assert shapes["transformer.encoder.layers.0.mlp.dense_h_to_4h.weight"] == (160, 48)


def test_sizes_have_the_usual_names_or_chatglms() -> None:
    usual = {**SIZES, "head_dim": 12}
    for own in (CHATGLM, {**CHATGLM, "vocab_size": 90}):
        named = standard_names(own)
        assert {name: named[name] for name in usual} == usual
    assert standard_names(usual) == usual


def test_an_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(EngineOptionError, match=r"MambaForCausalLM.*InternLM2ForCausalLM"):
        language_shapes({"architectures": ["MambaForCausalLM"]})


def test_low_rank_additions_stand_beside_the_layers_that_they_add_to() -> None:
    additions = {"wqkv": {"rank": 8, "scale": 2.0}, "w2": {"rank": 5, "scale": 1.0}}
    text = {**SIZES, "architectures": ["InternLM2ForCausalLM"]}
    plain, shapes = language_shapes(text), language_shapes({**text, PARTIAL_LORA: additions})
    added = {name: shape for name, shape in shapes.items() if name not in plain}
    assert {name: shape for name, shape in added.items() if ".1." in name} == {
        "model.layers.1.attention.wqkv.Plora_A.weight": (8, 48),
        "model.layers.1.attention.wqkv.Plora_B.weight": (96, 8),
        "model.layers.1.feed_forward.w2.Plora_A.weight": (5, 80),
        "model.layers.1.feed_forward.w2.Plora_B.weight": (48, 5),
    }
    assert len(added) == 2 * 4
