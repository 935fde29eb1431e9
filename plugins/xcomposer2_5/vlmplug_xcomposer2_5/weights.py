"""Where the weights of an official checkpoint go.

The tower's names are those of `vlmplug.parts.vit` behind ``vit.vision_tower.vision_model.``; projector and newline
vectors keep their own. Low-rank additions (``Plora_*``) belong to the language model, under their own names too.
"""

from __future__ import annotations

import re

#: Weights of the language model; the two halves of each low-rank addition among them.
_LANGUAGE = re.compile(
    r"model\.tok_embeddings\.weight|model\.norm\.weight|output\.weight"
    r"|model\.layers\.\d+\.(attention_norm|ffn_norm)\.weight"
    r"|model\.layers\.\d+\.(attention\.(wqkv|wo)|feed_forward\.w[123])\.(weight|bias|Plora_[AB]\.weight)"
)
#: In official files and not used by chat: additions for the tasks of writing articles and web pages, the video memory
#: of OmniLive, CLIP's last norm and its position numbers, rotary frequencies that are computed.
_UNUSED = re.compile(
    r"model\.layers\.\d+\.(attention\.(wqkv|wo)|feed_forward\.w[123])\.lora_(sft|dpo|web)_[AB]\.weight"
    r"|model\.layers\.\d+\.attention\.rotary_emb\.inv_freq"
    r"|video_mem_proj\.[02]\.(weight|bias)"
    r"|vit\.vision_tower\.vision_model\.(post_layernorm\.(weight|bias)|embeddings\.position_ids)"
)
TOWER = "vit.vision_tower.vision_model."
_TOWER_NAMES = tuple(
    (re.compile(re.escape(TOWER) + pattern), replacement)
    for pattern, replacement in (
        (r"embeddings\.class_embedding", "cls_token"),
        (r"embeddings\.position_embedding\.weight", "pos_embed"),
        (r"embeddings\.patch_embedding\.weight", "patch_embed.proj.weight"),
        (r"pre_layrnorm\.(weight|bias)", r"norm_pre.\1"),
        (r"encoder\.layers\.(\d+)\.layer_norm([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
        (r"encoder\.layers\.(\d+)\.self_attn\.((?:q|k|v|out)_proj)\.(weight|bias)", r"blocks.\1.attn.\2.\3"),
        (r"encoder\.layers\.(\d+)\.mlp\.(fc[12])\.(weight|bias)", r"blocks.\1.mlp.\2.\3"),
    )
)


def route_weight(name: str) -> tuple[str, str]:
    """Part and name inside the part of an official weight.

    A name that no official file has goes to the vision part under its own name, where nothing waits for it.
    """
    if _LANGUAGE.fullmatch(name):
        return "language", name
    if _UNUSED.fullmatch(name):
        return "unused", name
    for pattern, replacement in _TOWER_NAMES:
        if match := pattern.fullmatch(name):
            return "vision", match.expand(replacement)
    return "vision", name
