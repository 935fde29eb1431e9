"""Checks the fields of an official ``config.json`` before anything is computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vlmplug.errors import CheckpointMismatchError

_TEXT = "config.json"
_VISION = "vision_config"
_TEXT_SIZES = (
    "num_layers",
    "hidden_size",
    "ffn_hidden_size",
    "kv_channels",
    "num_attention_heads",
    "multi_query_group_num",
    "padded_vocab_size",
    "seq_length",
)
_VISION_SIZES = (
    "image_size",
    "patch_size",
    "hidden_size",
    "num_heads",
    "num_hidden_layers",
    "intermediate_size",
    "num_positions",
)
#: What the code here, and lmdeploy's, takes for granted.
_TEXT_SWITCHES = {
    "rmsnorm": True,
    "post_layer_norm": True,
    "apply_residual_connection_post_layernorm": False,
    "fp32_residual_connection": False,
    "tie_word_embeddings": False,
}
_VISION_SWITCHES = {"in_channels": 3, "hidden_act": "gelu"}


def check_text(config: Mapping[str, Any]) -> None:
    """Sizes and switches of the language model.

    :raises CheckpointMismatchError: a field is missing, or holds something that no official checkpoint has.
    """
    _check_sizes(_TEXT, config, _TEXT_SIZES)
    _check_switches(_TEXT, config, _TEXT_SWITCHES)
    for name in ("layernorm_epsilon", "rope_ratio"):
        if not _is_positive(config.get(name)):
            raise _wrong(_TEXT, name, config.get(name), "a positive number")
    heads, groups = config["num_attention_heads"], config["multi_query_group_num"]
    if config["kv_channels"] * heads != config["hidden_size"]:
        raise _wrong(_TEXT, "kv_channels", config["kv_channels"], f"hidden_size / num_attention_heads ({heads})")
    if heads % groups:
        raise _wrong(_TEXT, "num_attention_heads", heads, f"a multiple of multi_query_group_num ({groups})")


def check_vision(vision: Mapping[str, Any]) -> None:
    """Sizes and switches of the tower.

    :raises CheckpointMismatchError: as `check_text`.
    """
    _check_sizes(_VISION, vision, _VISION_SIZES)
    _check_switches(_VISION, vision, _VISION_SWITCHES)
    for name in ("layer_norm_eps", "scaling_factor"):
        if not _is_positive(vision.get(name)):
            raise _wrong(_VISION, name, vision.get(name), "a positive number")
    heads, patch, size = vision["num_heads"], vision["patch_size"], vision["image_size"]
    if vision["hidden_size"] % heads:
        raise _wrong(_VISION, "hidden_size", vision["hidden_size"], f"a multiple of num_heads ({heads})")
    if size % (2 * patch):
        raise _wrong(_VISION, "image_size", size, f"a multiple of two patches ({2 * patch})")
    if vision["num_positions"] != (size // patch) ** 2 + 1:
        expected = f"{(size // patch) ** 2 + 1}, one more than there are patches"
        raise _wrong(_VISION, "num_positions", vision["num_positions"], expected)


def _check_sizes(where: str, config: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        value = config.get(name)
        if type(value) is not int or value < 1:
            raise _wrong(where, name, value, "a whole number of at least 1")


def _check_switches(where: str, config: Mapping[str, Any], switches: Mapping[str, Any]) -> None:
    for name, expected in switches.items():
        if config.get(name, expected) != expected:
            raise _wrong(where, name, config[name], repr(expected))


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _wrong(where: str, name: str, value: object, expected: str) -> CheckpointMismatchError:
    return CheckpointMismatchError(
        f"{where}: {name} is {value!r}, expected {expected}.", "Use the config.json of the official checkpoint."
    )
