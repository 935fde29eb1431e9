"""The vision side in the format of transformers: ``deepseek_vl`` and ``deepseek_vl_hybrid`` (deepseek-community).

Sizes that a ``config.json`` leaves out are those of ``SiglipVisionConfig`` and ``SamVisionConfig``. The processor
normalises here, with other numbers for each tower; the towers get the same values as in the official format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmplug.parts.section import Section
from vlmplug_deepseek_vl.vision import WINDOW, Aligner, Normalisation, Sam, Siglip, Vision

_SIGLIP = {
    "image_size": 224,
    "patch_size": 16,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}
_SAM = {
    "image_size": 1024,
    "patch_size": 16,
    "hidden_size": 768,
    "mlp_ratio": 4.0,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "global_attn_indexes": (2, 5, 8, 11),
    "output_channels": 256,
    "window_size": WINDOW,
}
#: Numbers of the published processors: a half, and for high resolution those of OpenAI's CLIP.
_PROCESSOR = {
    "do_normalize": True,
    "image_mean": (0.5, 0.5, 0.5),
    "image_std": (0.5, 0.5, 0.5),
    "high_res_image_mean": (0.48145466, 0.4578275, 0.40821073),
    "high_res_image_std": (0.26862954, 0.26130258, 0.27577711),
}


def read_vision(config: Mapping[str, Any], processor: Mapping[str, Any], hidden: int) -> Vision:
    """Towers and projector.

    :param config: ``config.json``. :param processor: settings of the image processor; empty where there are none.
    :param hidden: width of the language model.
    :raises CheckpointMismatchError: a part is missing, makes no sense, or is one that this family does not have.
    """
    whole, settings = Section("config.json", config), Section("preprocessor_config.json", processor, _PROCESSOR)
    siglip = _siglip(whole.section("vision_config"), settings)
    high = config.get("model_type") == "deepseek_vl_hybrid"
    sam = _sam(whole.section("high_res_vision_config"), settings) if high else None
    return Vision(siglip, sam, Aligner(siglip.width, hidden, 2))


def _siglip(given: Section, settings: Section) -> Siglip:
    section = given.overlaid(_SIGLIP)
    return Siglip(
        image_size=section.size("image_size"),
        patch_size=section.size("patch_size"),
        width=section.size("hidden_size"),
        inner=section.size("intermediate_size"),
        heads=section.size("num_attention_heads"),
        layers=section.size("num_hidden_layers"),
        activation=section.word("hidden_act", ("gelu", "gelu_pytorch_tanh")),
        eps=section.number("layer_norm_eps"),
        layout="transformers",
        normalisation=_normalisation(settings, ""),
    )


def _sam(given: Section, settings: Section) -> Sam:
    section = given.overlaid(_SAM)
    width, neck = section.size("hidden_size"), section.size("output_channels")
    section.word("hidden_act", ("gelu",))
    if section.size("window_size") != WINDOW:
        raise section.wrong("window_size", str(WINDOW))
    return Sam(
        image_size=section.size("image_size"),
        patch_size=section.size("patch_size"),
        width=width,
        inner=section.overlaid({**_SAM, "mlp_dim": int(width * section.number("mlp_ratio"))}).size("mlp_dim"),
        heads=section.size("num_attention_heads"),
        layers=section.size("num_hidden_layers"),
        global_layers=section.sizes("global_attn_indexes"),
        neck=neck,
        downsamples=(2 * neck, 4 * neck),
        eps=section.number("layer_norm_eps"),
        normalisation=_normalisation(settings, "high_res_"),
    )


def _normalisation(settings: Section, prefix: str) -> Normalisation | None:
    if not settings.flag("do_normalize"):
        return None
    return Normalisation.read(settings, f"{prefix}image_mean", f"{prefix}image_std")
