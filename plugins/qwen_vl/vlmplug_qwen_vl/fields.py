"""Checks the fields of an official ``config.json`` before anything is computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vlmplug.errors import CheckpointMismatchError

_TEXT = "config.json"
_VISION = "visual"
_TEXT_SIZES = (
    "hidden_size",
    "intermediate_size",
    "kv_channels",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "seq_length",
    "vocab_size",
)
_VISION_SIZES = ("heads", "image_size", "layers", "output_dim", "patch_size", "width")
#: What the code here, and lmdeploy's Qwen2, takes for granted.
_TEXT_SWITCHES = {"no_bias": True, "rotary_pct": 1.0, "scale_attn_weights": True, "tie_word_embeddings": False}
#: Numbers in a head of the resampler's attention (``visual.py``).
RESAMPLER_HEAD = 128


def check_text(config: Mapping[str, Any]) -> None:
    """Sizes and switches of the language model.

    :raises CheckpointMismatchError: a field is missing, or holds something that no official checkpoint has.
    """
    _check_sizes(_TEXT, config, _TEXT_SIZES)
    for name, expected in _TEXT_SWITCHES.items():
        if config.get(name, expected) != expected:
            raise _wrong(_TEXT, name, config[name], repr(expected))
    for name in ("layer_norm_epsilon", "rotary_emb_base"):
        _check_positive(_TEXT, config, name)
    for name in ("use_dynamic_ntk", "use_logn_attn"):
        if not isinstance(config.get(name), bool):
            raise _wrong(_TEXT, name, config.get(name), "true or false")
    heads = config["num_attention_heads"]
    if config["kv_channels"] * heads != config["hidden_size"]:
        raise _wrong(_TEXT, "kv_channels", config["kv_channels"], f"hidden_size / num_attention_heads ({heads})")
    if config["intermediate_size"] % 2:
        raise _wrong(_TEXT, "intermediate_size", config["intermediate_size"], "an even number")
    if config["seq_length"] < 2:
        raise _wrong(_TEXT, "seq_length", config["seq_length"], "at least 2")


def check_vision(vision: Mapping[str, Any], hidden: int) -> None:
    """Sizes of the tower; ``hidden`` is that of the language model.

    :raises CheckpointMismatchError: as `check_text`.
    """
    _check_sizes(_VISION, vision, _VISION_SIZES)
    _check_positive(_VISION, vision, "mlp_ratio")
    if vision["width"] % vision["heads"]:
        raise _wrong(_VISION, "width", vision["width"], f"a multiple of heads ({vision['heads']})")
    if vision["image_size"] % vision["patch_size"]:
        raise _wrong(_VISION, "image_size", vision["image_size"], f"a multiple of patch_size ({vision['patch_size']})")
    if vision["output_dim"] != hidden or hidden % RESAMPLER_HEAD:
        expected = f"hidden_size ({hidden}), a multiple of {RESAMPLER_HEAD}"
        raise _wrong(_VISION, "output_dim", vision["output_dim"], expected)


def _check_sizes(where: str, config: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        value = config.get(name)
        if type(value) is not int or value < 1:
            raise _wrong(where, name, value, "a whole number of at least 1")


def _check_positive(where: str, config: Mapping[str, Any], name: str) -> None:
    value = config.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        raise _wrong(where, name, value, "a positive number")


def _wrong(where: str, name: str, value: object, expected: str) -> CheckpointMismatchError:
    return CheckpointMismatchError(
        f"{where}: {name} is {value!r}, expected {expected}.", "Use the config.json of the official checkpoint."
    )
