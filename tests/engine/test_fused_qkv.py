"""One matrix of a checkpoint becomes the three that a language model reads."""

from __future__ import annotations

import torch

from vlmplug.engine.fused_qkv import separated
from vlmplug.engine.language_shapes import language_shapes

TEXT = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 1,
    "vocab_size": 5,
}


def test_queries_keys_and_values_stand_one_behind_the_other() -> None:
    rows = torch.arange(16.0)
    given = {"a.self_attn.qkv_proj.weight": rows[:, None].expand(16, 8), "a.self_attn.qkv_proj.bias": rows}
    found = dict(separated(given.items(), {**TEXT, "fused_qkv": True}))
    assert {name: tensor.shape[0] for name, tensor in found.items()} == {
        f"a.self_attn.{part}_proj.{kind}": count
        for kind in ("weight", "bias")
        for part, count in (("q", 8), ("k", 4), ("v", 4))
    }
    for kind in ("weight", "bias"):
        parts = [found[f"a.self_attn.{part}_proj.{kind}"] for part in "qkv"]
        assert torch.equal(torch.cat(parts), given[f"a.self_attn.qkv_proj.{kind}"])


def test_the_names_are_those_that_the_language_model_reads_without() -> None:
    fused = language_shapes({**TEXT, "fused_qkv": True})
    weights = ((name, torch.zeros(shape)) for name, shape in fused.items())
    found = {name: tuple(tensor.shape) for name, tensor in separated(weights, {**TEXT, "fused_qkv": True})}
    assert found == language_shapes(TEXT)


def test_other_models_keep_their_own() -> None:
    given = [("a.self_attn.qkv_proj.weight", torch.zeros(3))]
    assert list(separated(given, TEXT)) == given
