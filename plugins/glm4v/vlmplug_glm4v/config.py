"""From the official ``config.json`` to what the host and lmdeploy read; the checkpoint's own code is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlmplug.config_json import declared_architectures
from vlmplug.parts.checkpoint import check_architecture, check_tower, check_unquantised
from vlmplug.parts.section import Section
from vlmplug_glm4v.fields import check_text, check_vision

#: The first is that of the published files, the second that of files saved from the official code.
ARCHITECTURES = ("ChatGLMModel", "ChatGLMForConditionalGeneration")

#: Defaults of the official ``configuration_chatglm.py`` for switches that a ``config.json`` leaves out.
_DEFAULTS = {
    "add_bias_linear": False,
    "add_qkv_bias": False,
    "apply_residual_connection_post_layernorm": False,
    "fp32_residual_connection": False,
    "layernorm_epsilon": 1e-5,
    "multi_query_attention": False,
    "multi_query_group_num": 1,
    "post_layer_norm": True,
    "rmsnorm": True,
    "rope_ratio": 1,
}
#: What lmdeploy's ChatGLM reads.
_TEXT_FIELDS = (
    *_DEFAULTS,
    "num_layers",
    "hidden_size",
    "ffn_hidden_size",
    "kv_channels",
    "num_attention_heads",
    "padded_vocab_size",
    "seq_length",
)
_ROPE_BASE = 10_000.0


@dataclass(frozen=True)
class GLM4VSettings:
    """What this family's hooks need to know of a checkpoint.

    - ``image_size``: width and height of every prepared picture, in pixels.
    - ``image_tokens``: positions that a picture takes, begin and end vectors included.
    """

    image_size: int
    image_tokens: int


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the official defaults filled in.

    :raises CheckpointMismatchError: another architecture, no vision tower, quantised weights, or fields that make no
        sense.
    """
    check_architecture(declared_architectures(config), ARCHITECTURES)
    check_tower(config, "vision_config", "GLM-4V")
    check_unquantised(config)
    filled = {**_DEFAULTS, **config}
    section = Section("config.json", filled)
    check_text(section)
    check_vision(section.section("vision_config"))
    return filled


def settings(config: Mapping[str, Any]) -> GLM4VSettings:
    """Settings of a configuration that `checked` returned."""
    vision = config["vision_config"]
    side = vision["image_size"] // vision["patch_size"] // 2
    return GLM4VSettings(vision["image_size"], side * side + 2)


def tower_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `vlmplug_glm4v.tower.build_tower` reads."""
    shared = {name: config[name] for name in ("hidden_size", "ffn_hidden_size")}
    return {**shared, "vision_config": dict(config["vision_config"])}


def text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The language model's configuration, its sizes under the official and under the usual names.

    Without ``vision_config``, which would make lmdeploy build a tower of its own.
    """
    heads = config["num_attention_heads"]
    return {
        "architectures": ["ChatGLMForConditionalGeneration"],
        "model_type": "chatglm",
        **{name: config[name] for name in _TEXT_FIELDS},
        "vocab_size": config["padded_vocab_size"],
        "num_hidden_layers": config["num_layers"],
        "intermediate_size": config["ffn_hidden_size"],
        "head_dim": config["kv_channels"],
        "num_key_value_heads": config["multi_query_group_num"] if config["multi_query_attention"] else heads,
        "max_position_embeddings": config["seq_length"],
        "rope_parameters": {"rope_type": "default", "rope_theta": _ROPE_BASE * config["rope_ratio"]},
        "tie_word_embeddings": False,
    }
