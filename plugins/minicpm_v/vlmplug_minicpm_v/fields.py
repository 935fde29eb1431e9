"""Checks the numbers of official JSON files before anything is computed from them."""

from __future__ import annotations

from vlmplug.parts.section import Section

_TEXT_SIZES = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("max_position_embeddings", "vocab_size"),
)
_VISION_SIZES = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size"),
)
_SLICE_SIZES = ("max_slice_nums", "scale_resolution", "patch_size", "image_feature_size")
_STATISTICS = ("norm_mean", "norm_std")
_COLOURS = 3
#: Width of an attention head of the resampler.
RESAMPLER_HEAD = 128


def check_text(config: Section) -> None:
    """Sizes of the language model and the resampler.

    :raises CheckpointMismatchError: a field is missing, or holds something that no official checkpoint has.
    """
    config.check_sizes((*_TEXT_SIZES, "query_num"))
    config.check_multiple("hidden_size", "num_attention_heads")
    config.check_multiple("num_attention_heads", "num_key_value_heads")
    config.check_multiple("hidden_size", RESAMPLER_HEAD)
    config.check_numbers(("rope_theta", "rms_norm_eps"))
    if config.get("rope_scaling") is not None:
        raise config.wrong("rope_scaling", "null")


def check_vision(vision: Section) -> None:
    """Sizes of the vision tower.

    :raises CheckpointMismatchError: as `check_text`.
    """
    vision.check_sizes(_VISION_SIZES)
    vision.check_multiple("hidden_size", "num_attention_heads")


def check_slicing(processor: Section, config: Section) -> None:
    """Settings of the official image processor, against the model's.

    :raises CheckpointMismatchError: as `check_text`.
    """
    processor.check_sizes(_SLICE_SIZES)
    for name, expected in (
        ("patch_size", config.section("vision_config").size("patch_size")),
        ("image_feature_size", config.size("query_num")),
    ):
        if processor.size(name) != expected:
            raise processor.wrong(name, f"{expected}, as config.json has it")
    processor.flag("use_image_id")
    if not processor.flag("slice_mode"):
        raise processor.wrong("slice_mode", "true")
    for name in _STATISTICS:
        if len(processor.numbers(name)) != _COLOURS:
            raise processor.wrong(name, "three positive numbers")
