"""Checks the numbers of an official ``config.json`` before anything is computed from them."""

from __future__ import annotations

from collections.abc import Mapping

from vlmplug.parts.section import Section

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
_RATIOS = (1, 0.5, 0.25)
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


def check_chat(config: Section) -> None:
    """Tiling and projection.

    :raises CheckpointMismatchError: a field is missing, or holds something that no official checkpoint has.
    """
    config.check_sizes(("min_dynamic_patch", "max_dynamic_patch"))
    if config.get("force_image_size"):
        config.size("force_image_size")
    config.word("ps_version", ("v1", "v2"))
    if config.number("downsample_ratio") not in _RATIOS:
        raise config.wrong("downsample_ratio", f"one of {', '.join(map(str, _RATIOS))}")
    layers = config.section("vision_config").size("num_hidden_layers")
    if not -layers - 1 <= config.whole("select_layer") <= layers:
        raise config.wrong("select_layer", f"a layer from {-layers - 1} to {layers}")


def check_vision(vision: Section) -> None:
    """Sizes of the tower.

    :raises CheckpointMismatchError: as `check_chat`.
    """
    vision.check_sizes(_VISION_SIZES)
    vision.check_multiple("hidden_size", "num_attention_heads")


def check_text(language: Section) -> None:
    """Sizes of the language model.

    :raises CheckpointMismatchError: as `check_chat`.
    """
    language.check_sizes((*_TEXT_SIZES, *(name for name in _OPTIONAL_TEXT_SIZES if language.get(name))))
    language.number("rms_norm_eps")
    if language.get("rope_theta") is not None:
        language.number("rope_theta")
    if not language.get("head_dim"):
        language.check_multiple("hidden_size", "num_attention_heads")
    if language.get("num_key_value_heads"):
        language.check_multiple("num_attention_heads", "num_key_value_heads")
    for name in ("rope_scaling", "rope_parameters"):
        if language.get(name):
            language.section(name)


def check_rope(parameters: Section) -> None:
    """Rotary parameters as transformers 5 has them.

    :raises CheckpointMismatchError: a kind that the engine does not carry, or a field is missing.
    """
    for name in _ROPE_NEEDS[parameters.word("rope_type", _ROPE_NEEDS)]:
        if name in _LISTS:
            parameters.numbers(name)
        else:
            parameters.number(name)
