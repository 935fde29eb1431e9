"""Checks the fields of an official ``config.json`` before anything is computed from them."""

from __future__ import annotations

from vlmplug.parts.section import Section

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


def check_text(config: Section) -> None:
    """Sizes and switches of the language model.

    :raises CheckpointMismatchError: a field is missing, or holds something that no official checkpoint has.
    """
    config.check_sizes(_TEXT_SIZES)
    config.check_fixed(_TEXT_SWITCHES)
    config.check_numbers(("layernorm_epsilon", "rope_ratio"))
    config.check_share("kv_channels", "hidden_size", "num_attention_heads")
    config.check_multiple("num_attention_heads", "multi_query_group_num")


def check_vision(vision: Section) -> None:
    """Sizes and switches of the tower.

    :raises CheckpointMismatchError: as `check_text`.
    """
    vision.check_sizes(_VISION_SIZES)
    vision.check_fixed(_VISION_SWITCHES)
    vision.check_numbers(("layer_norm_eps", "scaling_factor"))
    vision.check_multiple("hidden_size", "num_heads")
    patch, size = vision.size("patch_size"), vision.size("image_size")
    if size % (2 * patch):
        raise vision.wrong("image_size", f"a multiple of two patches ({2 * patch})")
    places = (size // patch) ** 2 + 1
    if vision.size("num_positions") != places:
        raise vision.wrong("num_positions", f"{places}, one more than there are patches")
