"""Tiny random checkpoints, each with transformers' model of the same weights as the reference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

BYTES = 256
EOS = BYTES
VOCABULARY = BYTES + 8
LONG_FROM = 64
"""``phi3_long`` was "trained" on so many positions; longer prompts take the long factors."""

_SIZES = dict(
    vocab_size=VOCABULARY,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=1024,
    initializer_range=0.2,
    bos_token_id=None,
    eos_token_id=EOS,
    pad_token_id=None,
    tie_word_embeddings=False,
    dtype="float32",
)
_HALF_HEAD = 8
_LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0 + 0.05 * i for i in range(_HALF_HEAD)],
    "long_factor": [2.0 + 0.7 * i for i in range(_HALF_HEAD)],
    "original_max_position_embeddings": LONG_FROM,
}

_REFERENCES: dict[str, tuple[Any, PretrainedConfig]] = {
    "llama": (LlamaForCausalLM, LlamaConfig(**_SIZES)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**_SIZES)),
    "internlm2": (LlamaForCausalLM, LlamaConfig(**{**_SIZES, "pad_token_id": 2})),
    "mistral": (MistralForCausalLM, MistralConfig(**_SIZES, sliding_window=24)),
    "phi3": (Phi3ForCausalLM, Phi3Config(**_SIZES)),
    "phi3_long": (
        Phi3ForCausalLM,
        Phi3Config(**_SIZES, original_max_position_embeddings=LONG_FROM, rope_parameters=_LONGROPE),
    ),
}


class InternLM2Config(PretrainedConfig):
    """The official configuration's fields; transformers has no class for them."""

    model_type = "internlm2"

    def __init__(self, bias: bool = False, rope_theta: float = 10000.0, **fields: Any) -> None:
        self.bias, self.rope_theta = bias, rope_theta
        fields.pop("rope_parameters", None)
        super().__init__(**fields)
        self.rope_parameters = {"rope_type": "default", "rope_theta": rope_theta}


AutoConfig.register("internlm2", InternLM2Config, exist_ok=True)


class TinyModel:
    """One checkpoint in a folder, and what transformers makes of it."""

    def __init__(self, kind: str, folder: Path) -> None:
        model_class, config = _REFERENCES[kind]
        torch.manual_seed(sum(kind.encode()))
        self.kind, self.folder = kind, folder
        self.reference = model_class(config).eval()
        _lively(self.reference)
        self.reference.save_pretrained(folder)
        if kind == "internlm2":
            _rename_to_internlm2(folder, config)
        byte_tokenizer().save_pretrained(folder)

    def greedy(self, ids: Sequence[int], tokens: int = 8) -> list[int]:
        """transformers' greedy tokens, without stopping."""
        given = torch.tensor([list(ids)])
        everything = self.reference.generate(
            given, attention_mask=torch.ones_like(given), max_new_tokens=tokens, do_sample=False, eos_token_id=None
        )
        return everything[0, len(ids) :].tolist()

    @torch.inference_mode()
    def logits(self, ids: Sequence[int]) -> torch.Tensor:
        """transformers' logits, ``[tokens, vocabulary]``."""
        return self.reference(torch.tensor([list(ids)])).logits[0]


def _lively(model: torch.nn.Module) -> None:
    """Biases and norms as a trained model has them, so that leaving one out is seen; no row of zeros for padding."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "norm" in name:
            torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.2)
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=1.0)


def _rename_to_internlm2(folder: Path, config: PretrainedConfig) -> None:
    """Write a Llama checkpoint as InternLM2 does."""
    file = folder / "model.safetensors"
    save_file(as_internlm2(load_file(file), config), file)
    rewrite_config(folder, architectures=["InternLM2ForCausalLM"], model_type="internlm2", bias=False)


def as_internlm2(llama: dict[str, torch.Tensor], config: PretrainedConfig) -> dict[str, torch.Tensor]:
    """Llama's weights as InternLM2 has them: other names, and one fused, interleaved matrix for q, k and v."""
    weights = dict(llama)
    for layer in range(config.num_hidden_layers):
        attention = f"model.layers.{layer}.self_attn."
        split = (config.num_key_value_heads, -1, config.hidden_size // config.num_attention_heads, config.hidden_size)
        q, k, v = (weights.pop(f"{attention}{name}_proj.weight").view(split) for name in "qkv")
        weights[f"model.layers.{layer}.attention.wqkv.weight"] = torch.cat((q, k, v), 1).reshape(-1, config.hidden_size)
    return {_internlm2_name(name): weight.contiguous() for name, weight in weights.items()}


def rewrite_config(folder: Path, **fields: Any) -> None:
    """Change fields of a checkpoint's ``config.json``."""
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def _internlm2_name(name: str) -> str:
    for llama, internlm2 in (
        ("embed_tokens", "tok_embeddings"),
        ("lm_head", "output"),
        ("self_attn.o_proj", "attention.wo"),
        ("mlp.gate_proj", "feed_forward.w1"),
        ("mlp.up_proj", "feed_forward.w3"),
        ("mlp.down_proj", "feed_forward.w2"),
        ("post_attention_layernorm", "ffn_norm"),
        ("input_layernorm", "attention_norm"),
    ):
        name = name.replace(llama, internlm2)
    return name


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are single bytes, so that token ids and text convert both ways."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<eos>", *(f"<special_{i}>" for i in range(VOCABULARY - BYTES - 1))])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")


def prompt(length: int, seed: int = 0) -> list[int]:
    """Random token ids, none of them special."""
    generator = torch.Generator().manual_seed(1000 * length + seed)
    return torch.randint(0, BYTES, (length,), generator=generator).tolist()
