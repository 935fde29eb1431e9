"""Checks the numbers of official JSON files before anything is computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vlmplug.errors import CheckpointMismatchError

_TEXT_SIZES = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("max_position_embeddings", "vocab_size"),
)
_VISION_SIZES = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size"),
)
_SLICE_SIZES = ("max_slice_nums", "scale_resolution", "patch_size", "image_feature_size")
_STATISTICS = ("norm_mean", "norm_std")
#: Width of an attention head of the resampler.
RESAMPLER_HEAD = 128


def check_text(config: Mapping[str, Any]) -> None:
    """Sizes of the language model and the resampler.

    :raises CheckpointMismatchError: a field holds something that no official checkpoint has.
    """
    _check_sizes("config.json", config, (*_TEXT_SIZES, "query_num"))
    _check_multiple("config.json", config, "hidden_size", config["num_attention_heads"])
    _check_multiple("config.json", config, "num_attention_heads", config["num_key_value_heads"])
    _check_multiple("config.json", config, "hidden_size", RESAMPLER_HEAD)
    for name in ("rope_theta", "rms_norm_eps"):
        if not _is_positive(config.get(name)):
            raise wrong("config.json", name, config.get(name), "a positive number")
    if config.get("rope_scaling") is not None:
        raise wrong("config.json", "rope_scaling", config["rope_scaling"], "null")


def check_vision(vision: Mapping[str, Any]) -> None:
    """Sizes of the vision tower.

    :raises CheckpointMismatchError: as `check_text`.
    """
    _check_sizes("vision_config", vision, _VISION_SIZES)
    _check_multiple("vision_config", vision, "hidden_size", vision["num_attention_heads"])


def check_slicing(settings: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Settings of the official image processor, against the model's.

    :raises CheckpointMismatchError: as `check_text`.
    """
    where = "preprocessor_config.json"
    _check_sizes(where, settings, _SLICE_SIZES)
    for name, expected in (
        ("patch_size", config["vision_config"]["patch_size"]),
        ("image_feature_size", config["query_num"]),
    ):
        if settings[name] != expected:
            raise wrong(where, name, settings[name], f"{expected}, as config.json has it")
    if settings["slice_mode"] is not True:
        raise wrong(where, "slice_mode", settings["slice_mode"], "true")
    if not isinstance(settings["use_image_id"], bool):
        raise wrong(where, "use_image_id", settings["use_image_id"], "true or false")
    for name in _STATISTICS:
        values = settings[name]
        if not isinstance(values, list) or len(values) != 3 or not all(map(_is_positive, values)):
            raise wrong(where, name, values, "three positive numbers")


def wrong(where: str, name: str, value: object, expected: str) -> CheckpointMismatchError:
    """The error for a field."""
    return CheckpointMismatchError(
        f"{where}: {name} is {value!r}, expected {expected}.", "Use the files of the official checkpoint."
    )


def _check_sizes(where: str, config: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        value = config.get(name)
        if not isinstance(value, int) or not _is_positive(value):
            raise wrong(where, name, value, "a whole number of at least 1")


def _check_multiple(where: str, config: Mapping[str, Any], name: str, of: int) -> None:
    if config[name] % of:
        raise wrong(where, name, config[name], f"a multiple of {of}")


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
