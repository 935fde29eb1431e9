"""The vision side in the official format: ``MultiModalityCausalLM`` of deepseek-ai/DeepSeek-VL.

Its towers are named, and the official code looks their sizes up. A ``config.json`` may state some of them under the
same names; then those count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmplug.errors import CheckpointMismatchError
from vlmplug.parts.section import Section
from vlmplug_deepseek_vl.vision import Aligner, Normalisation, Sam, Siglip, Vision

#: The official tables (``siglip_vit.py``, ``sam.py``), as far as checkpoints of this family use them.
SIGLIP: Mapping[str, Mapping[str, Any]] = {
    "siglip_large_patch16_384": {
        "image_size": 384,
        "patch_size": 16,
        "width": 1024,
        "layers": 24,
        "heads": 16,
        "mlp_ratio": 4,
        "select_layer": -1,
    }
}
SAM: Mapping[str, Mapping[str, Any]] = {
    "sam_b_downsample": {
        "image_size": 1024,
        "patch_size": 16,
        "width": 768,
        "layers": 12,
        "heads": 12,
        "mlp_ratio": 4,
        "global_attn_indexes": (2, 5, 8, 11),
        "prompt_embed_dim": 256,
        "downsample_channels": (512, 1024),
    }
}
_SINGLE, _HYBRID = "CLIPVisionTower", "HybridVisionTower"
#: By class of the vision side, the projector that goes with it.
_PROJECTORS = {_SINGLE: "mlp_gelu", _HYBRID: "low_high_hybrid_split_mlp_gelu"}
_EPS = 1e-6


def read_vision(config: Mapping[str, Any], processor: Mapping[str, Any]) -> Vision:
    """Towers and projector.

    :param config: ``config.json``. :param processor: ``preprocessor_config.json``; empty where it is missing.
    :raises CheckpointMismatchError: a part is missing, makes no sense, or is one that this family does not have.
    """
    whole = Section("config.json", config)
    vision = whole.section("vision_config")
    kind = vision.word("cls", _PROJECTORS)
    params = vision.section("params")
    aligner = _aligner(whole.section("aligner_config").section("params"), _PROJECTORS[kind])
    normalised = _processor_normalisation(Section("preprocessor_config.json", processor, {"do_normalize": False}))
    if kind == _SINGLE:
        return Vision(_siglip(params), None, aligner, normalised)
    if params.get("concat_type") not in (None, "tuple"):
        raise params.wrong("concat_type", "tuple")
    return Vision(_siglip(params.section("low_res_cfg")), _sam(params.section("high_res_cfg")), aligner, normalised)


def _siglip(named: Section) -> Siglip:
    section = named.overlaid(SIGLIP[named.word("model_name", SIGLIP)])
    return Siglip(
        image_size=section.size("image_size"),
        patch_size=section.size("patch_size"),
        width=section.size("width"),
        inner=int(section.size("width") * section.number("mlp_ratio")),
        heads=section.size("heads"),
        layers=_selected(section),
        activation="gelu",
        eps=_EPS,
        layout="timm",
        # A tower normalises if it is given both.
        normalisation=Normalisation.read(section, "pixel_mean", "pixel_std"),
    )


def _selected(section: Section) -> int:
    """How many layers are built, by the official rule (``create_siglip_vit``)."""
    layers, selected = section.size("layers"), section.whole("select_layer")
    built = min(layers, selected if selected > 0 else layers + selected + 1)
    if built < 1:
        raise section.wrong("select_layer", f"one of {layers} layers")
    return built


def _sam(named: Section) -> Sam:
    section = named.overlaid(SAM[named.word("model_name", SAM)])
    return Sam(
        image_size=section.size("image_size"),
        patch_size=section.size("patch_size"),
        width=section.size("width"),
        inner=int(section.size("width") * section.number("mlp_ratio")),
        heads=section.size("heads"),
        layers=section.size("layers"),
        global_layers=section.sizes("global_attn_indexes"),
        neck=section.size("prompt_embed_dim"),
        downsamples=section.sizes("downsample_channels"),
        eps=_EPS,
        normalisation=Normalisation.read(section, "pixel_mean", "pixel_std"),
    )


def _aligner(params: Section, kind: str) -> Aligner:
    params.word("projector_type", (kind,))
    return Aligner(params.size("input_dim"), params.size("n_embed"), params.overlaid({"depth": 1}).size("depth"))


def _processor_normalisation(processor: Section) -> Normalisation | None:
    """The processor normalises if ``do_normalize`` says so; the official files say no, and leave it to the towers."""
    if not processor.flag("do_normalize"):
        return None
    found = Normalisation.read(processor, "image_mean", "image_std")
    if found is None:
        raise CheckpointMismatchError(
            "preprocessor_config.json asks for do_normalize without image_mean and image_std.",
            "Use the official preprocessor_config.json.",
        )
    return found
