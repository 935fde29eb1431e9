"""Checks the fields of an official ``config.json`` before anything is computed from them."""

from __future__ import annotations

from vlmplug.parts.section import Section

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


def check_text(config: Section) -> None:
    """Sizes and switches of the language model.

    :raises CheckpointMismatchError: a field is missing, or holds something that no official checkpoint has.
    """
    config.check_sizes(_TEXT_SIZES)
    config.check_fixed(_TEXT_SWITCHES)
    config.check_numbers(("layer_norm_epsilon", "rotary_emb_base"))
    for name in ("use_dynamic_ntk", "use_logn_attn"):
        config.flag(name)
    config.check_share("kv_channels", "hidden_size", "num_attention_heads")
    config.check_multiple("intermediate_size", 2)
    if config.size("seq_length") < 2:
        raise config.wrong("seq_length", "at least 2")


def check_vision(vision: Section, hidden: int) -> None:
    """Sizes of the tower; ``hidden`` is that of the language model.

    :raises CheckpointMismatchError: as `check_text`.
    """
    vision.check_sizes(_VISION_SIZES)
    vision.number("mlp_ratio")
    vision.check_multiple("width", "heads")
    vision.check_multiple("image_size", "patch_size")
    if vision.size("output_dim") != hidden or hidden % RESAMPLER_HEAD:
        raise vision.wrong("output_dim", f"hidden_size ({hidden}), a multiple of {RESAMPLER_HEAD}")
