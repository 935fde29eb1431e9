"""Where the weights of an official checkpoint go."""

from __future__ import annotations

import re

_VISION = "transformer.visual."
_LAYER = re.compile(r"transformer\.h\.(\d+)\.(.+)\.(weight|bias)")
#: Official names outside the layers -> transformers' names of Qwen2.
_OUTSIDE = {
    "transformer.wte.weight": "model.embed_tokens.weight",
    "transformer.ln_f.weight": "model.norm.weight",
    "lm_head.weight": "lm_head.weight",
}
#: Inside a layer; ``w2`` is the gate. ``c_attn`` holds queries, keys and values, one behind the other.
_INSIDE = {
    "ln_1": "input_layernorm",
    "attn.c_attn": "self_attn.qkv_proj",
    "attn.c_proj": "self_attn.o_proj",
    "ln_2": "post_attention_layernorm",
    "mlp.w2": "mlp.gate_proj",
    "mlp.w1": "mlp.up_proj",
    "mlp.c_proj": "mlp.down_proj",
}


def route_weight(name: str) -> tuple[str, str]:
    """Part and name inside the part of an official weight: ``transformer.visual.x`` is ``x`` of the tower.

    Tower and language model share names (``mlp.c_proj``), so that the prefix decides. A name that is not official goes
    nowhere: no weight is called ``not official: …``, so that the host reports it.
    """
    if name.startswith(_VISION):
        return "vision", name.removeprefix(_VISION)
    return "language", _language_name(name) or f"not official: {name}"


def _language_name(name: str) -> str | None:
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    found = _LAYER.fullmatch(name)
    if found is None or found[2] not in _INSIDE:
        return None
    return f"model.layers.{found[1]}.{_INSIDE[found[2]]}.{found[3]}"
