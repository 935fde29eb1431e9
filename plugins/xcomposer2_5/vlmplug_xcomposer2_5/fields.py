"""Checks the numbers of an official ``config.json`` before anything is computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmplug.errors import CheckpointMismatchError
from vlmplug.number import is_number, is_whole

_SIZES = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("max_position_embeddings", "vocab_size"),
)
_POSITIVE = ("rope_theta", "rms_norm_eps")
#: Keys that change nothing up to ``max_position_embeddings``, which no prompt and answer pass.
_SCALINGS = ("dynamic",)


def check_text(config: Mapping[str, Any]) -> None:
    """Sizes of the language model.

    :raises CheckpointMismatchError: a field holds something that no official checkpoint has.
    """
    for name in _SIZES:
        if not is_whole(config.get(name)) or config[name] < 1:
            raise wrong(name, config.get(name), "a whole number of at least 1")
    for name in _POSITIVE:
        if not is_number(config.get(name)) or config[name] <= 0:
            raise wrong(name, config.get(name), "a positive number")
    for name, of in (("hidden_size", "num_attention_heads"), ("num_attention_heads", "num_key_value_heads")):
        if config[name] % config[of]:
            raise wrong(name, config[name], f"a multiple of {of} ({config[of]})")
    if config.get("hidden_act", "silu") != "silu":
        raise wrong("hidden_act", config["hidden_act"], "silu")
    _check_scaling(config.get("rope_scaling"))
    _check_length(config.get("max_length"))


def _check_scaling(scaling: object) -> None:
    if scaling is None:
        return
    kind = scaling.get("type", scaling.get("rope_type")) if isinstance(scaling, Mapping) else scaling
    if kind not in _SCALINGS:
        raise wrong("rope_scaling", scaling, f"null or one of the type {', '.join(_SCALINGS)}")


def _check_length(length: object) -> None:
    if length is not None and (not is_whole(length) or length < 1):
        raise wrong("max_length", length, "a whole number of at least 1")


def wrong(name: str, value: object, expected: str) -> CheckpointMismatchError:
    """The error for a field."""
    return CheckpointMismatchError(
        f"config.json: {name} is {value!r}, expected {expected}.", "Use the config.json of the official checkpoint."
    )
