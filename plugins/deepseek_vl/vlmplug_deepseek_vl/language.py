"""The language model's configuration: Llama, of which the official files say only what differs from its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmplug.parts.section import Section
from vlmplug.quantisation import QUANTISATION, read_quantisation

#: What transformers' ``LlamaConfig`` fills in; the 7B files leave out even ``hidden_size``.
LLAMA_DEFAULTS: Mapping[str, Any] = {
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "attention_bias": False,
    "mlp_bias": False,
    "rope_theta": 10_000.0,
}
_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)


def text_config(section: Section, config: Mapping[str, Any]) -> dict[str, Any]:
    """What lmdeploy reads, in the form of transformers 5.

    Ids of special tokens are not taken over: the files leave them to ``LlamaConfig``, whose ids are other tokens here.

    :param section: the language model's section. :param config: the whole ``config.json``.
    :raises CheckpointMismatchError: a size makes no sense, it is no Llama, or it is scaled or quantised otherwise than
        this family is.
    """
    filled = section.overlaid(LLAMA_DEFAULTS)
    sizes = {name: filled.size(name) for name in _SIZES}
    heads, hidden = sizes["num_attention_heads"], sizes["hidden_size"]
    head = filled.overlaid({**LLAMA_DEFAULTS, "head_dim": hidden // heads}).size("head_dim")
    shared = filled.overlaid({**LLAMA_DEFAULTS, "num_key_value_heads": heads}).size("num_key_value_heads")
    if hidden % heads and filled.get("head_dim") is None:
        raise filled.wrong("hidden_size", f"a multiple of num_attention_heads ({heads})")
    if heads % shared:
        raise filled.wrong("num_key_value_heads", f"a divisor of num_attention_heads ({heads})")
    quantisation = read_quantisation(config)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": filled.word("model_type", ("llama",)),
        **sizes,
        "num_key_value_heads": shared,
        "head_dim": head,
        "hidden_act": filled.word("hidden_act", ("silu",)),
        "rms_norm_eps": filled.number("rms_norm_eps"),
        "attention_bias": filled.flag("attention_bias"),
        "mlp_bias": filled.flag("mlp_bias"),
        "rope_parameters": {"rope_type": "default", "rope_theta": _rope_theta(filled)},
        # Every checkpoint has a head of its own; transformers' own configuration of this family says otherwise.
        "tie_word_embeddings": False,
        **({} if quantisation is None else {QUANTISATION: quantisation}),
    }


def _rope_theta(section: Section) -> float:
    """Base of the rotary frequencies.

    :raises CheckpointMismatchError: they are scaled, which no checkpoint of this family is.
    """
    for key in ("rope_scaling", "rope_parameters"):
        given = section.get(key)
        if given is None:
            continue
        values = Section(f"{key} of the language model", given)
        kind = values.get("rope_type") or values.get("type") or "default"
        if kind != "default":
            raise section.wrong(key, "unscaled positions")
        if values.get("rope_theta") is not None:
            return values.number("rope_theta")
    return section.number("rope_theta")
