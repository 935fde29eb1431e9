"""Where the weights of a checkpoint go, by the format of its files.

The tower's names are the official ones below ``siglip.``, ``sam.`` and ``aligner.``; transformers' are renamed to them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from re import Pattern

Renaming = tuple[Pattern[str], str]

#: Rotary frequencies that old exports hold as buffers; they are computed from the configuration.
_COMPUTED = re.compile(r".*\.rotary_emb\.inv_freq")
_LANGUAGE = "language_model."
#: In the official files and never used there: SigLIP's pooling, and norms behind the two towers.
_UNUSED = re.compile(
    r"vision_model\.(vision_tower_low\.)?vision_tower\.attn_pool\.(latent|(q|kv|proj|norm|mlp\.fc[12])\.(weight|bias))"
    r"|vision_model\.(high|low)_layer_norm\.(weight|bias)"
)
_SINGLE = (("vision_model.vision_tower.", "siglip."),)
_HYBRID = (
    ("vision_model.vision_tower_low.vision_tower.", "siglip."),
    ("vision_model.vision_tower_high.vision_tower.", "sam."),
)

#: Transformers' names; SigLIP's carry its own prefix once or, in files of the time of the conversion, twice.
_NATIVE_SIGLIP = re.compile(r"model\.vision_model\.(?:vision_model\.)?(?P<name>.+)")
_NATIVE_SAM = "model.high_res_vision_model.vision_encoder."
_NATIVE_LANGUAGE = "model.language_model."
_NATIVE_UNUSED = re.compile(
    r"head\.(probe|attention\.in_proj_(weight|bias)|(attention\.out_proj|layernorm|mlp\.fc[12])\.(weight|bias))"
    r"|embeddings\.position_ids"
)


def _renamings(*pairs: tuple[str, str]) -> tuple[Renaming, ...]:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


_SIGLIP_NAMES = _renamings(
    (r"embeddings\.patch_embedding\.(weight|bias)", r"patch_embed.proj.\1"),
    (r"embeddings\.position_embedding\.weight", "pos_embed"),
    (r"encoder\.layers\.(\d+)\.layer_norm([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
    (r"encoder\.layers\.(\d+)\.self_attn\.(\w+)\.(weight|bias)", r"blocks.\1.attn.\2.\3"),
    (r"encoder\.layers\.(\d+)\.mlp\.(fc[12])\.(weight|bias)", r"blocks.\1.mlp.\2.\3"),
    (r"post_layernorm\.(weight|bias)", r"norm.\1"),
)
_SAM_NAMES = _renamings(
    (r"pos_embed", "pos_embed"),
    (r"patch_embed\.projection\.(weight|bias)", r"patch_embed.proj.\1"),
    (r"layers\.(\d+)\.layer_norm([12])\.(weight|bias)", r"blocks.\1.norm\2.\3"),
    (r"layers\.(\d+)\.(attn|mlp)\.(.+)", r"blocks.\1.\2.\3"),
    (r"neck\.conv1\.weight", "neck.0.weight"),
    (r"neck\.layer_norm1\.(weight|bias)", r"neck.1.\1"),
    (r"neck\.conv2\.weight", "neck.2.weight"),
    (r"neck\.layer_norm2\.(weight|bias)", r"neck.3.\1"),
)
_OTHER_NAMES = _renamings(
    (r"model\.high_res_vision_neck\.conv1\.weight", "sam.neck_hd.0.weight"),
    (r"model\.high_res_vision_neck\.layer_norm1\.(weight|bias)", r"sam.neck_hd.1.\1"),
    (r"model\.high_res_vision_neck\.conv2\.weight", "sam.neck_hd.2.weight"),
    (r"model\.high_res_vision_neck\.layer_norm2\.(weight|bias)", r"sam.neck_hd.3.\1"),
    (r"model\.high_res_vision_proj\.conv1\.weight", "sam.downsamples.0.weight"),
    (r"model\.high_res_vision_proj\.conv2\.weight", "sam.downsamples.1.weight"),
    (r"model\.high_res_vision_alpha", "sam.hd_alpha_downsamples"),
    (r"model\.aligner\.linear1\.(weight|bias)", r"aligner.layers.0.\1"),
    (r"model\.aligner\.linear2\.(weight|bias)", r"aligner.layers.2.\1"),
    (r"model\.aligner\.vision_proj\.(weight|bias)", r"aligner.low_up_proj.\1"),
    (r"model\.aligner\.high_res_vision_proj\.(weight|bias)", r"aligner.high_up_proj.\1"),
    (r"model\.aligner\.proj\.(weight|bias)", r"aligner.layers.1.\1"),
)


def official_single(name: str) -> tuple[str, str]:
    """Part and name inside the part of a weight of the official 1.3B files.

    A name that no official file has goes to the vision part under its own name, where nothing waits for it.
    """
    return _official(name, _SINGLE)


def official_hybrid(name: str) -> tuple[str, str]:
    """The same for the official 7B files."""
    return _official(name, _HYBRID)


def native(name: str) -> tuple[str, str]:
    """The same for files in the format of transformers, of either size."""
    if _COMPUTED.fullmatch(name):
        return "unused", name
    if name == "lm_head.weight":
        return "language", name
    if name.startswith(_NATIVE_LANGUAGE):
        return "language", f"model.{name.removeprefix(_NATIVE_LANGUAGE)}"
    if siglip := _NATIVE_SIGLIP.fullmatch(name):
        inner = siglip["name"]
        return ("unused", name) if _NATIVE_UNUSED.fullmatch(inner) else _vision("siglip.", inner, _SIGLIP_NAMES, name)
    if name.startswith(_NATIVE_SAM):
        return _vision("sam.", name.removeprefix(_NATIVE_SAM), _SAM_NAMES, name)
    return _vision("", name, _OTHER_NAMES, name)


def _official(name: str, towers: Sequence[tuple[str, str]]) -> tuple[str, str]:
    if _COMPUTED.fullmatch(name) or _UNUSED.fullmatch(name):
        return "unused", name
    if name.startswith(_LANGUAGE):
        return "language", name.removeprefix(_LANGUAGE)
    for prefix, tower in towers:
        if name.startswith(prefix):
            return "vision", tower + name.removeprefix(prefix)
    return "vision", name


def _vision(tower: str, inner: str, renamings: Sequence[Renaming], name: str) -> tuple[str, str]:
    for pattern, replacement in renamings:
        if match := pattern.fullmatch(inner):
            return "vision", tower + match.expand(replacement)
    return "vision", name
