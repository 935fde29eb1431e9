"""From the official ``config.json`` to what the host and lmdeploy read; the checkpoint's own code is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlmplug.config_json import declared_architectures
from vlmplug.errors import CheckpointMismatchError
from vlmplug.parts.checkpoint import check_architecture
from vlmplug.parts.section import Section
from vlmplug.quantisation import QUANTISATION, read_quantisation
from vlmplug_internvl2.fields import check_chat, check_rope, check_text, check_vision
from vlmplug_internvl2.options import InternVLOptions
from vlmplug_internvl2.templates import Template

ARCHITECTURE = "InternVLChatModel"

#: Defaults of the official ``configuration_internvl_chat.py``, for fields that a ``config.json`` leaves out.
_CHAT_DEFAULTS = {
    "downsample_ratio": 0.5,
    "ps_version": "v1",
    "select_layer": -1,
    "dynamic_image_size": False,
    "use_thumbnail": False,
    "min_dynamic_patch": 1,
    "max_dynamic_patch": 6,
}
#: Defaults of the official ``configuration_intern_vit.py``.
_VISION_DEFAULTS = {
    "hidden_size": 3200,
    "intermediate_size": 12800,
    "num_hidden_layers": 48,
    "num_attention_heads": 25,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 14,
    "norm_type": "rms_norm",
    "qk_normalization": True,
    "qkv_bias": False,
    "layer_norm_eps": 1e-6,
    "initializer_factor": 0.1,
}
_TOWER_FIELDS = ("downsample_ratio", "ps_version", "select_layer")

_TEXT_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "rms_norm_eps",
    "max_position_embeddings",
    "vocab_size",
)
_OPTIONAL_TEXT_FIELDS = (
    "head_dim",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "original_max_position_embeddings",
)
#: By architecture: the language model's type, and fields that only it has, with their defaults.
_LANGUAGE_MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "InternLM2ForCausalLM": ("internlm2", {"bias": True}),
    "Qwen2ForCausalLM": ("qwen2", {"use_sliding_window": False, "sliding_window": None}),
    "Phi3ForCausalLM": ("phi3", {"partial_rotary_factor": 1.0}),
    "LlamaForCausalLM": ("llama", {"attention_bias": False, "mlp_bias": False}),
}


@dataclass(frozen=True)
class InternVLSettings:
    """What this family's hooks need to know of a checkpoint.

    - ``template``: its chat format. ``tile_size``: sides of a tile in pixels. ``tokens_per_tile``: vision tokens.
    - ``options``: media options where the caller says nothing.
    """

    template: Template
    tile_size: int
    tokens_per_tile: int
    options: InternVLOptions


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the official defaults filled in.

    :raises CheckpointMismatchError: another architecture, parts of it are missing, or numbers that make no sense.
    """
    check_architecture(declared_architectures(config), (ARCHITECTURE,))
    given = Section("config.json", config)
    for part in ("vision_config", "llm_config"):
        given.section(part)
    filled = {**_CHAT_DEFAULTS, **config, "vision_config": {**_VISION_DEFAULTS, **config["vision_config"]}}
    section = Section("config.json", filled)
    check_vision(section.section("vision_config"))
    check_chat(section)
    return filled


def settings(config: Mapping[str, Any], template: Template) -> InternVLSettings:
    """Settings of a configuration that `checked` returned."""
    vision = config["vision_config"]
    tile_size = config.get("force_image_size") or vision["image_size"]
    cut = config["dynamic_image_size"]
    options = InternVLOptions(
        max_num=config["max_dynamic_patch"] if cut else 1,
        min_num=config["min_dynamic_patch"] if cut else 1,
        use_thumbnail=config["use_thumbnail"],
        frame_label=template.frame_label,
    )
    tokens = int((tile_size // vision["patch_size"]) ** 2 * config["downsample_ratio"] ** 2)
    return InternVLSettings(template, tile_size, tokens, options)


def tower_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `vlmplug_internvl2.tower.build_tower` reads."""
    shared = {name: config[name] for name in _TOWER_FIELDS}
    language = {"hidden_size": config["llm_config"]["hidden_size"]}
    return {**shared, "vision_config": dict(config["vision_config"]), "llm_config": language}


def text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The language model's configuration, without what only remote code reads.

    :raises CheckpointMismatchError: a language model that this family does not have, a field is missing, or weights
        are quantised otherwise than the engine can run.
    """
    official = config["llm_config"]
    named = official.get("architectures")
    architecture = named[0] if isinstance(named, list) and named else str(named or "none")
    if architecture not in _LANGUAGE_MODELS:
        raise CheckpointMismatchError(
            f"llm_config names the architecture {architecture}.",
            f"Expected one of {', '.join(_LANGUAGE_MODELS)}.",
        )
    language = Section("llm_config of config.json", official)
    check_text(language)
    rope = rope_parameters(official)
    check_rope(Section("rope_scaling of llm_config", rope))
    model_type, own = _LANGUAGE_MODELS[architecture]
    quantisation = read_quantisation(config)
    return {
        "architectures": [architecture],
        "model_type": model_type,
        **{name: official[name] for name in _TEXT_FIELDS},
        **{name: official[name] for name in _OPTIONAL_TEXT_FIELDS if name in official},
        **{name: official.get(name, default) for name, default in own.items()},
        "num_key_value_heads": official.get("num_key_value_heads") or official["num_attention_heads"],
        "hidden_act": official.get("hidden_act", "silu"),
        "rope_parameters": rope,
        # Every size has a head of its own; some published files say otherwise.
        "tie_word_embeddings": False,
        **({} if quantisation is None else {QUANTISATION: quantisation}),
    }


def rope_parameters(official: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary parameters as transformers 5 has them, from ``rope_theta`` and ``rope_scaling``.

    ``su`` is the old name of ``longrope``, which also needs the length that the model was first trained with.
    """
    scaling = dict(official.get("rope_scaling") or official.get("rope_parameters") or {})
    old_name = scaling.pop("type", None)
    kind = scaling.pop("rope_type", None) or old_name or "default"
    if kind in ("su", "longrope"):
        kind = "longrope"
        original = official.get("original_max_position_embeddings", official["max_position_embeddings"])
        scaling.setdefault("original_max_position_embeddings", original)
    return {"rope_theta": float(official.get("rope_theta") or 10_000.0), **scaling, "rope_type": kind}
