"""The model: the plugin's vision tower and transformers' Qwen2, under the official names."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen2Config, Qwen2ForCausalLM

from training.packing import NO_LABEL
from training.tiles import MOST_TILES, PATCH, TILE
from vlmplug_internvl2.normalisation import PIXEL_MEAN, PIXEL_STD
from vlmplug_internvl2.tower import InternVLTower

VISION_CONFIG: dict[str, Any] = {
    "architectures": ["InternVisionModel"],
    "attention_dropout": 0.0,
    "drop_path_rate": 0.0,
    "dropout": 0.0,
    "hidden_act": "gelu",
    "hidden_size": 128,
    "image_size": TILE,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "intermediate_size": 384,
    "layer_norm_eps": 1e-6,
    "model_type": "intern_vit_6b",
    "norm_type": "layer_norm",
    "num_attention_heads": 4,
    "num_channels": 3,
    "num_hidden_layers": 5,
    "patch_size": PATCH,
    "qk_normalization": False,
    "qkv_bias": True,
    "torch_dtype": "bfloat16",
    "use_flash_attn": True,
}
LLM_CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "attn_implementation": "flash_attention_2",
    "hidden_act": "silu",
    "hidden_size": 192,
    "initializer_range": 0.04,
    "intermediate_size": 384,
    "max_position_embeddings": 4096,
    "max_window_levels": 24,
    "model_type": "qwen2",
    "num_attention_heads": 6,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_sliding_window": False,
}


def checkpoint_config(special: Mapping[str, int], vocabulary: int) -> dict[str, Any]:
    """The official ``config.json`` with our sizes; ``special``: ids of the special tokens."""
    ids = {
        "bos_token_id": special["<|endoftext|>"],
        "eos_token_id": special["<|im_end|>"],
        "vocab_size": vocabulary,
    }
    return {
        "architectures": ["InternVLChatModel"],
        "auto_map": {
            "AutoConfig": "configuration_internvl_chat.InternVLChatConfig",
            "AutoModel": "modeling_internvl_chat.InternVLChatModel",
            "AutoModelForCausalLM": "modeling_internvl_chat.InternVLChatModel",
        },
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": TILE,
        "llm_config": {**LLM_CONFIG, **ids},
        "max_dynamic_patch": MOST_TILES,
        "min_dynamic_patch": 1,
        "model_type": "internvl_chat",
        "ps_version": "v2",
        "select_layer": -1,
        "template": "Hermes-2",
        "torch_dtype": "bfloat16",
        "use_backbone_lora": 0,
        "use_llm_lora": 0,
        "use_thumbnail": True,
        "vision_config": copy.deepcopy(VISION_CONFIG),
    }


class TrainedTower(InternVLTower):
    """The tower with the pixel statistics on its device, so that no step waits for their upload."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN), persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD), persistent=False)

    def normalise(self, tiles: Tensor) -> Tensor:
        pixels = (tiles.float() / 255 - self.mean) / self.std
        dtype = self.vision_model.embeddings.class_embedding.dtype
        return pixels.permute(0, 3, 1, 2).to(dtype).contiguous()


def tree_mask(trees: Tensor, branches: Tensor, dtype: torch.dtype) -> Tensor:
    """Additive attention mask [rows, 1, length, length].

    A token sees what comes before it in its own tree, of its own branch or of the shared beginning; padding
    sees itself, because a row of a softmax cannot be empty.
    """
    length = trees.shape[1]
    same = trees[:, :, None] == trees[:, None, :]
    shared = (branches[:, None, :] == 0) | (branches[:, :, None] == branches[:, None, :])
    causal = torch.ones(length, length, dtype=torch.bool, device=trees.device).tril()
    mask = torch.zeros(len(trees), 1, length, length, dtype=dtype, device=trees.device)
    return mask.masked_fill_(~(same & shared & causal)[:, None], float("-inf"))


def places(features: Tensor, count: int) -> Tensor:
    """Where each of ``count`` picture tokens goes among the flattened positions; behind the last one if nowhere.

    Going from features to positions, gradients are gathered; the other way round, thousands of positions without a
    picture would add theirs to one row, one after the other.
    """
    flat, nowhere = features.flatten(), features.numel()
    found = torch.full((count + 1,), nowhere, dtype=torch.long, device=features.device)
    found.scatter_(0, torch.where(flat >= 0, flat, count), torch.arange(nowhere, device=features.device))
    return found[:-1]


class TinyModel(nn.Module):
    """Vision tower and language model; but for ``tower.``, parameters have their official names."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.tower = TrainedTower(config)
        llm = {**config["llm_config"], "attn_implementation": "sdpa"}
        self.language_model = Qwen2ForCausalLM(Qwen2Config(**llm))

    def initialise(self) -> None:
        """Random weights for the tower (transformers draws the language model's by itself)."""
        for module in self.tower.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        embeddings = self.tower.vision_model.embeddings
        nn.init.normal_(embeddings.position_embedding, std=0.02)
        nn.init.normal_(embeddings.class_embedding, std=0.02)

    def embed(self, tokens: Tensor, features: Tensor, tiles: Tensor) -> Tensor:
        """Word embeddings [rows, length, hidden], picture features where ``features`` >= 0."""
        words = self.language_model.get_input_embeddings()(tokens)
        if not len(tiles):
            return words  # type: ignore[no-any-return]
        seen = self.tower(tiles).flatten(0, 1)
        flat = torch.cat([words.flatten(0, 1), words.new_zeros(1, words.shape[-1])])
        placed = flat.index_copy(0, places(features, len(seen)), seen.to(words.dtype))
        return placed[:-1].view_as(words)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Logits [rows, length, vocabulary] of a batch of packed rows."""
        inputs = self.embed(batch["tokens"], batch["features"], batch["tiles"])
        dtype = (
            torch.get_autocast_dtype(inputs.device.type)
            if torch.is_autocast_enabled(inputs.device.type)
            else inputs.dtype
        )
        mask = {"full_attention": tree_mask(batch["trees"], batch["branches"], dtype)}
        hidden = self.language_model.model(
            inputs_embeds=inputs, attention_mask=mask, position_ids=batch["positions"], use_cache=False
        ).last_hidden_state
        logits: Tensor = self.language_model.lm_head(hidden)
        return logits


def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy over the answers' tokens."""
    return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=NO_LABEL)


def new_model(config: Mapping[str, Any], seed: int = 0) -> TinyModel:
    """A model with random weights, always the same for a seed."""
    torch.manual_seed(seed)
    model = TinyModel(config)
    model.initialise()
    return model
