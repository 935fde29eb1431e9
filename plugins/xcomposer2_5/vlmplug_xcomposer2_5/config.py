"""From the official ``config.json`` to what the host and lmdeploy read; the checkpoint's own code is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlmplug.config_json import declared_architectures, remote_classes
from vlmplug.parts.checkpoint import check_architecture, check_unquantised
from vlmplug.parts.section import Section
from vlmplug.sampling import SamplingDefaults
from vlmplug_xcomposer2_5.fields import check_size, check_text

ARCHITECTURE = "InternLMXComposer2ForCausalLM"
LANGUAGE = "InternLM2ForCausalLM"
#: What the official ``chat`` passes on where its caller says nothing, whatever ``generation_config.json`` has.
SAMPLING = SamplingDefaults(temperature=1.0, top_k=50, top_p=0.8, repetition_penalty=1.005, do_sample=True)

_FIELDS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("rms_norm_eps", "max_position_embeddings", "vocab_size"),
)
_OPTIONAL_FIELDS = ("bos_token_id", "eos_token_id")


@dataclass(frozen=True)
class XComposerSettings:
    """What this family's hooks need to know of a checkpoint.

    - ``longest_prompt``: tokens; the official ``chat`` cuts off what is behind them.
    - ``tile_tokens``: along one side of a tile.
    """

    longest_prompt: int
    tile_tokens: int


def check(config: Mapping[str, Any]) -> None:
    """Checks that a configuration is one of XComposer2.5, and its numbers.

    Some repositories name the architecture of the language model alone; ``auto_map`` then tells what they are.

    :raises CheckpointMismatchError: another architecture, another version, weights that are quantised, or numbers that
        make no sense.
    """
    check_architecture((*declared_architectures(config), *remote_classes(config)), (ARCHITECTURE,))
    section = Section("config.json", config)
    check_size(section)
    check_unquantised(config)
    check_text(section)


def settings(config: Mapping[str, Any], tile_tokens: int) -> XComposerSettings:
    """Settings of a configuration that `check` passed."""
    return XComposerSettings(config.get("max_length") or config["max_position_embeddings"], tile_tokens)


def text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The language model's configuration, without what only remote code reads.

    Dynamic scaling begins behind ``max_position_embeddings``, where prompt and answer end here. So it is left out, and
    lmdeploy, which would take it from the longest sequence of a batch, has none to take.
    """
    return {
        "architectures": [LANGUAGE],
        "model_type": "internlm2",
        **{name: config[name] for name in _FIELDS},
        **{name: config[name] for name in _OPTIONAL_FIELDS if config.get(name) is not None},
        "bias": bool(config.get("bias", False)),
        "hidden_act": "silu",
        "rope_parameters": {"rope_type": "default", "rope_theta": float(config["rope_theta"])},
        # transformers' own default is true; no official checkpoint says so
        "tie_word_embeddings": False,
    }
