"""From the official ``config.json`` to what the host and lmdeploy read; the checkpoint's own code is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmplug.config_json import declared_architectures
from vlmplug.errors import CheckpointMismatchError
from vlmplug.model import LengthScaling
from vlmplug.parts.checkpoint import check_architecture, check_tower, check_unquantised
from vlmplug.parts.section import Section
from vlmplug_qwen_vl.fields import RESAMPLER_HEAD, check_text, check_vision

ARCHITECTURE = "QWenLMHeadModel"
#: Vision tokens of a picture; ``visual.py`` has the number, ``config.json`` does not.
QUERIES = 256

#: Defaults of the official ``configuration_qwen.py`` for fields that a ``config.json`` leaves out.
_DEFAULTS = {
    "kv_channels": 128,
    "layer_norm_epsilon": 1e-6,
    "max_position_embeddings": 8192,
    "no_bias": True,
    "rotary_emb_base": 10_000,
    "rotary_pct": 1.0,
    "scale_attn_weights": True,
    "seq_length": 2048,
    "tie_word_embeddings": False,
    "use_dynamic_ntk": True,
    "use_logn_attn": True,
}
#: How the files name their data type; those that name none are in bfloat16.
_DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the official defaults filled in.

    :raises CheckpointMismatchError: another architecture, no vision tower, quantised weights, or fields that make no
        sense.
    """
    check_architecture(declared_architectures(config), (ARCHITECTURE,))
    check_tower(config, "visual", "Qwen-VL")
    check_unquantised(config)
    filled = {**_DEFAULTS, **config}
    section = Section("config.json", filled)
    check_text(section)
    check_vision(section.section("visual"), section.size("hidden_size"))
    return filled


def tower_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `vlmplug_qwen_vl.tower.build_tower` reads."""
    vision = config["visual"]
    return {**vision, "queries": QUERIES, "resampler_heads": vision["output_dim"] // RESAMPLER_HEAD}


def text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The language model's configuration as a Qwen2; what that one lacks is `length_scaling`.

    The official ``intermediate_size`` counts gate and up projection together.
    """
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "fused_qkv": True,
        "vocab_size": config["vocab_size"],
        "hidden_size": config["hidden_size"],
        "intermediate_size": config["intermediate_size"] // 2,
        "num_hidden_layers": config["num_hidden_layers"],
        "num_attention_heads": config["num_attention_heads"],
        "num_key_value_heads": config["num_attention_heads"],
        "head_dim": config["kv_channels"],
        "hidden_act": "silu",
        "rms_norm_eps": config["layer_norm_epsilon"],
        "max_position_embeddings": config["max_position_embeddings"],
        "rope_parameters": {"rope_type": "default", "rope_theta": float(config["rotary_emb_base"])},
        "use_sliding_window": False,
        "sliding_window": None,
        "tie_word_embeddings": False,
    }


def length_scaling(config: Mapping[str, Any]) -> LengthScaling:
    """How attention changes past the trained length."""
    return LengthScaling(config["seq_length"], config["use_dynamic_ntk"], config["use_logn_attn"])


def dtype_of(config: Mapping[str, Any]) -> str:
    """Data type of the weights.

    :raises CheckpointMismatchError: one that no official checkpoint has.
    """
    flagged = next((dtype for flag, dtype in _DTYPES.items() if config.get(flag) is True), "bfloat16")
    name = config.get("torch_dtype") or config.get("dtype") or flagged
    if name not in _DTYPES.values():
        raise CheckpointMismatchError(
            f"config.json names the data type {name!r}.", f"Expected one of {', '.join(_DTYPES.values())}."
        )
    return str(name)
