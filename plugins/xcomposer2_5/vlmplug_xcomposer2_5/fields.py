"""Checks the numbers of an official ``config.json`` before anything is computed from them."""

from __future__ import annotations

from vlmplug.parts.section import Section
from vlmplug_xcomposer2_5.sizes import TILE

_SIZES = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("max_position_embeddings", "vocab_size"),
)
_POSITIVE = ("rope_theta", "rms_norm_eps")
#: Keys that change nothing up to ``max_position_embeddings``, which no prompt and answer pass.
_SCALINGS = ("dynamic",)


def check_size(config: Section) -> None:
    """Tiles of this version.

    :raises CheckpointMismatchError: another version of the family.
    """
    if config.get("img_size") not in (None, TILE):
        raise config.wrong("img_size", f"{TILE}, as in XComposer2.5 (XComposer2 is not supported)")


def check_text(config: Section) -> None:
    """Sizes of the language model.

    :raises CheckpointMismatchError: a field is missing, or holds something that no official checkpoint has.
    """
    config.check_sizes(_SIZES)
    config.check_numbers(_POSITIVE)
    config.check_multiple("hidden_size", "num_attention_heads")
    config.check_multiple("num_attention_heads", "num_key_value_heads")
    config.check_fixed({"hidden_act": "silu"})
    if config.get("max_length") is not None:
        config.size("max_length")
    _check_scaling(config)


def _check_scaling(config: Section) -> None:
    if config.get("rope_scaling") is None:
        return
    scaling = config.section("rope_scaling")
    if (scaling.get("type") or scaling.get("rope_type")) not in _SCALINGS:
        raise config.wrong("rope_scaling", f"null or one of the type {', '.join(_SCALINGS)}")
