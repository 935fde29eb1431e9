"""Tiny random checkpoints in the official InternVL layout, with transformers' language model of the same weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PretrainedConfig,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from plugins.internvl2.tests import official_tokenizers as tokenizers
from tests.engine.tiny_models import as_internlm2
from vlmplug.model import EngineInput
from vlmplug_internvl2.tower import InternVLTower, build_tower

LONG_FROM = 128
"""Tokens up to which the Phi-3 layout takes its short factors; a picture of 13 tiles has 208."""

_SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
    "attn_implementation": "flash_attention_2",
}
_HALF_HEAD = 8
_LONGROPE = {
    "type": "su",
    "short_factor": [1.0 + 0.05 * i for i in range(_HALF_HEAD)],
    "long_factor": [2.0 + 0.7 * i for i in range(_HALF_HEAD)],
}
_VISION = {"num_channels": 3, "image_size": 112, "patch_size": 14, "num_hidden_layers": 2, "hidden_act": "gelu"}
_SMALL = {"norm_type": "layer_norm", "qk_normalization": False, "qkv_bias": True, "initializer_factor": 1.0}
_LARGE = {"norm_type": "rms_norm", "qk_normalization": True, "qkv_bias": False, "initializer_factor": 0.1}
#: The towers' own numbers: InternViT-300M and InternViT-6B.
TOWERS: Mapping[str, Mapping[str, Any]] = {
    "300m": {**_VISION, **_SMALL, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2},
    "6b": {**_VISION, **_LARGE, "hidden_size": 40, "intermediate_size": 80, "num_attention_heads": 5},
}


@dataclass(frozen=True)
class Layout:
    """One size of the family, or a relative of it.

    - ``model_type``: under which vlmplug opens it. ``architecture``: of the language model.
    - ``template``: as ``config.json`` names it. ``language``: fields of ``llm_config`` that only it has.
    - ``chat``: fields of ``config.json`` that differ. ``shards``: weight files, with an index if several.
    """

    model_type: str
    architecture: str
    tokenizer: tokenizers.Maker
    template: str
    tower: str
    language: Mapping[str, Any] = field(default_factory=dict)
    chat: Mapping[str, Any] = field(default_factory=dict)
    shards: int = 1


_DYNAMIC = {"bias": False, "rope_theta": 1e6, "rope_scaling": {"type": "dynamic", "factor": 3.0}, "pad_token_id": 2}
_PHI3 = {
    "num_key_value_heads": 4,
    "rope_theta": 1e4,
    "rope_scaling": _LONGROPE,
    "original_max_position_embeddings": LONG_FROM,
    "pad_token_id": None,
}
LAYOUTS: Mapping[str, Layout] = {
    "4B, Phi-3": Layout("internvl2-4b", "Phi3ForCausalLM", tokenizers.phi3, "phi3-chat", "300m", _PHI3),
    "26B, InternLM2, shards": Layout(
        "internvl2-26b", "InternLM2ForCausalLM", tokenizers.internlm2, "internlm2-chat", "6b", _DYNAMIC, shards=3
    ),
    "40B, Yi": Layout(
        "internvl2-40b", "LlamaForCausalLM", tokenizers.yi, "Hermes-2", "6b", {"rope_theta": 5e6, "pad_token_id": 0}
    ),
    "76B, Llama 3, shards": Layout(
        "internvl2-llama3-76b",
        "LlamaForCausalLM",
        tokenizers.llama3,
        "internlm2-chat",
        "6b",
        {"rope_theta": 5e5, "head_dim": 24},
        shards=2,
    ),
    "2.5, Qwen2.5": Layout(
        "internvl2_5-1b",
        "Qwen2ForCausalLM",
        tokenizers.qwen2_5,
        "internvl2_5",
        "300m",
        {"rope_theta": 1e6, "sliding_window": 32, "use_sliding_window": False, "tie_word_embeddings": True},
    ),
    "1.5, InternLM2, ps_version v1": Layout(
        "internvl-chat-v1_5",
        "InternLM2ForCausalLM",
        tokenizers.internlm2,
        "internlm2-chat",
        "300m",
        _DYNAMIC,
        {"ps_version": "v1", "select_layer": -2},
    ),
}
_REFERENCES: Mapping[str, tuple[Any, type[PretrainedConfig]]] = {
    "LlamaForCausalLM": (LlamaForCausalLM, LlamaConfig),
    "InternLM2ForCausalLM": (LlamaForCausalLM, LlamaConfig),
    "Qwen2ForCausalLM": (Qwen2ForCausalLM, Qwen2Config),
    "Phi3ForCausalLM": (Phi3ForCausalLM, Phi3Config),
}
#: What transformers 5 reads differently: names of other code, and remarks about a tied head that is not tied.
_NOT_NATIVE = ("attn_implementation", "bias", "rope_theta", "rope_scaling", "tie_word_embeddings")


class OfficialCheckpoint:
    """One layout in a folder, and what its own tower and transformers' language model make of a prompt."""

    def __init__(self, layout: Layout, folder: Path) -> None:
        self.layout, self.folder = layout, folder
        torch.manual_seed(sum(layout.model_type.encode()))
        rows = layout.tokenizer(folder)
        self.config = self._config(rows)
        self._write("config.json", self.config)
        self._save(self._weights())

    @cached_property
    def tower(self) -> InternVLTower:
        """The plugin's tower; `test_tower` and the reference set show that it is the official one."""
        tower = build_tower(self.config)
        for name, parameter in tower.named_parameters():
            spread = 0.2 if parameter.dim() < 2 else 0.1
            nn.init.normal_(parameter, float(parameter.dim() == 1 and not name.endswith("bias")), spread)
        return tower.eval()

    @cached_property
    def language(self) -> Any:
        """transformers' language model in float32."""
        model_class, config_class = _REFERENCES[self.layout.architecture]
        model = model_class(config_class(**self._native())).eval()
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "norm" in name:
                nn.init.normal_(parameter, float("norm" in name), 0.2)
        nn.init.normal_(model.get_input_embeddings().weight)
        return model

    @torch.inference_mode()
    def greedy(self, prompt: EngineInput, tokens: int) -> tuple[int, ...]:
        """Greedy ids, everything computed again for each of them: no cache that could hold something else."""
        embeds = self.embeds(prompt)
        found: list[int] = []
        for _ in range(tokens):
            found.append(int(self.language(inputs_embeds=embeds, logits_to_keep=1).logits[0, -1].argmax()))
            embeds = torch.cat([embeds, self._words(found[-1:])], 1)
        return tuple(found)

    @torch.inference_mode()
    def generated(self, prompt: EngineInput, tokens: int) -> tuple[int, ...]:
        """Greedy ids by transformers' own ``generate``; for prompts without media."""
        ids = torch.tensor([prompt.input_ids])
        settings = {"max_new_tokens": tokens, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
        everything = self.language.generate(ids, attention_mask=torch.ones_like(ids), **settings)
        return tuple(everything[0, ids.shape[1] :].tolist())

    def embeds(self, prompt: EngineInput) -> Tensor:
        """Word embeddings [1, tokens, hidden] with the tower's features in the spans of the media."""
        embeds = self._words(prompt.input_ids).clone()
        for span in prompt.spans:
            features = self.tower(torch.from_numpy(prompt.media[span.item].pixels)).flatten(0, 1)
            embeds[0, span.start : span.start + span.length] = features
        return embeds

    def _words(self, ids: Any) -> Tensor:
        words: Tensor = self.language.get_input_embeddings()(torch.tensor([list(ids)]))
        return words

    def _config(self, rows: int) -> dict[str, Any]:
        language = {**_SIZES, "vocab_size": rows, **self.layout.language}
        return {
            "architectures": ["InternVLChatModel"],
            "auto_map": {"AutoModel": "modeling_internvl_chat.InternVLChatModel"},
            "model_type": "internvl_chat",
            "downsample_ratio": 0.5,
            "dynamic_image_size": True,
            "force_image_size": 112,
            "max_dynamic_patch": 12,
            "min_dynamic_patch": 1,
            "ps_version": "v2",
            "select_layer": -1,
            "template": self.layout.template,
            "torch_dtype": "bfloat16",
            "use_thumbnail": True,
            "llm_config": {"architectures": [self.layout.architecture], **language},
            "vision_config": {"layer_norm_eps": 1e-6, **TOWERS[self.layout.tower]},
            **self.layout.chat,
        }

    def _native(self) -> dict[str, Any]:
        """``llm_config`` as transformers 5 reads it."""
        official = self.config["llm_config"]
        rope = dict(official.get("rope_scaling") or {})
        kind = {"su": "longrope", "dynamic": "dynamic"}.get(rope.pop("type", ""), "default")
        if kind == "longrope":
            rope["original_max_position_embeddings"] = official["original_max_position_embeddings"]
        native = {name: value for name, value in official.items() if name not in _NOT_NATIVE}
        fixed = {"initializer_range": 0.2, "tie_word_embeddings": False, "bos_token_id": None, "eos_token_id": None}
        parameters = {"rope_type": kind, "rope_theta": official["rope_theta"], **rope}
        return {**native, **fixed, "pad_token_id": None, "rope_parameters": parameters}

    def _weights(self) -> dict[str, Tensor]:
        words = {name: tensor.clone() for name, tensor in self.language.state_dict().items()}
        if self.layout.architecture == "InternLM2ForCausalLM":
            words = as_internlm2(words, self.language.config)
        language = {f"language_model.{name}": tensor for name, tensor in words.items()}
        return {**self.tower.state_dict(), **language}

    def _save(self, weights: dict[str, Tensor]) -> None:
        count = self.layout.shards
        if count == 1:
            save_file(weights, self.folder / "model.safetensors", {"format": "pt"})
            return
        where = {name: _shard(number % count, count) for number, name in enumerate(sorted(weights))}
        for file in set(where.values()):
            save_file({name: weights[name] for name in where if where[name] == file}, self.folder / file)
        self._write("model.safetensors.index.json", {"metadata": {}, "weight_map": where})

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")


def _shard(number: int, count: int) -> str:
    return f"model-{number + 1:05}-of-{count:05}.safetensors"
