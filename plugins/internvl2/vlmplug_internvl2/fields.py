"""Checks the numbers of an official ``config.json`` before anything is computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vlmplug.errors import CheckpointMismatchError
from vlmplug.number import is_number, is_whole

_VISION_SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_channels",
    "image_size",
    "patch_size",
)
_TEXT_SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "vocab_size",
)
_OPTIONAL_TEXT_SIZES = ("num_key_value_heads", "head_dim", "original_max_position_embeddings")
_LISTS = ("short_factor", "long_factor")
#: Kinds of rotary scaling that the engine carries, and what each needs.
_ROPE_NEEDS: Mapping[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "dynamic": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    "yarn": ("factor",),
    "longrope": ("short_factor", "long_factor", "original_max_position_embeddings"),
}


def check_chat(config: Mapping[str, Any]) -> None:
    """Tiling and projection.

    :raises CheckpointMismatchError: a field holds something that no official checkpoint has.
    """
    sizes = (
        "min_dynamic_patch",
        "max_dynamic_patch",
        *(["force_image_size"] if config.get("force_image_size") else []),
    )
    _check_sizes("config.json", config, sizes)
    if config["ps_version"] not in ("v1", "v2"):
        raise _wrong("config.json", "ps_version", config["ps_version"], "v1 or v2")
    if config["downsample_ratio"] not in (1, 0.5, 0.25):
        raise _wrong("config.json", "downsample_ratio", config["downsample_ratio"], "1, 0.5 or 0.25")
    layers = config["vision_config"]["num_hidden_layers"]
    selected = config["select_layer"]
    if not is_whole(selected) or not -layers - 1 <= selected <= layers:
        raise _wrong("config.json", "select_layer", selected, f"a layer from {-layers - 1} to {layers}")


def check_vision(vision: Mapping[str, Any]) -> None:
    """Sizes of the tower.

    :raises CheckpointMismatchError: as `check_chat`.
    """
    _check_sizes("vision_config", vision, _VISION_SIZES)
    _check_multiple("vision_config", vision, "hidden_size", "num_attention_heads")


def check_text(official: Mapping[str, Any]) -> None:
    """Sizes of the language model.

    :raises CheckpointMismatchError: as `check_chat`.
    """
    _check_sizes("llm_config", official, (*_TEXT_SIZES, *(n for n in _OPTIONAL_TEXT_SIZES if official.get(n))))
    if not official.get("head_dim"):
        _check_multiple("llm_config", official, "hidden_size", "num_attention_heads")
    if official.get("num_key_value_heads"):
        _check_multiple("llm_config", official, "num_attention_heads", "num_key_value_heads")
    for name in ("rope_scaling", "rope_parameters"):
        if not isinstance(official.get(name) or {}, Mapping):
            raise _wrong("llm_config", name, official[name], "an object")
    if not _is_positive(official.get("rope_theta", 1)):
        raise _wrong("llm_config", "rope_theta", official["rope_theta"], "a positive number")


def check_rope(parameters: Mapping[str, Any]) -> None:
    """Rotary parameters as transformers 5 has them.

    :raises CheckpointMismatchError: a kind that the engine does not carry, or a field is missing.
    """
    kind = parameters["rope_type"]
    if kind not in _ROPE_NEEDS:
        raise _wrong("llm_config", "the kind of rope_scaling", kind, f"one of {', '.join(_ROPE_NEEDS)}")
    for name in _ROPE_NEEDS[kind]:
        value = parameters.get(name)
        fits = _all_positive(value) if name in _LISTS else _is_positive(value)
        if not fits:
            raise _wrong("llm_config", f"{name} of rope_scaling", value, "positive")


def _check_sizes(where: str, config: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        value = config.get(name)
        if not is_whole(value) or not _is_positive(value):
            raise _wrong(where, name, value, "a whole number of at least 1")


def _check_multiple(where: str, config: Mapping[str, Any], name: str, of: str) -> None:
    if config[name] % config[of]:
        raise _wrong(where, name, config[name], f"a multiple of {of} ({config[of]})")


def _is_positive(value: object) -> bool:
    return is_number(value) and value > 0


def _all_positive(values: object) -> bool:
    return isinstance(values, list | tuple) and len(values) > 0 and all(map(_is_positive, values))


def _wrong(where: str, name: str, value: object, expected: str) -> CheckpointMismatchError:
    return CheckpointMismatchError(
        f"{where}: {name} is {value!r}, expected {expected}.", "Use the config.json of the official checkpoint."
    )
