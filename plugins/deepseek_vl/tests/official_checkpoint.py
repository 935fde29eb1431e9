"""A checkpoint of the 1.3B layout, made from that of the 7B layout: SigLIP and the language model have equal sizes."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_HYBRID_ONLY = ("vision_model.vision_tower_high.", "vision_model.high_layer_norm", "vision_model.low_layer_norm")


def write_single(golden: Path, folder: Path) -> Path:
    """Files of ``tiny_1_3b`` with weights of ``tiny_7b``, and a projector of its own."""
    for file in (golden / "tiny_1_3b").iterdir():
        if file.suffix != ".safetensors":
            shutil.copyfile(file, folder / file.name)
    weights = load_file(golden / "tiny_7b" / "model.safetensors")
    kept = {
        name.replace("vision_tower_low.vision_tower.", "vision_tower."): tensor
        for name, tensor in weights.items()
        if not name.startswith((*_HYBRID_ONLY, "aligner."))
    }
    generator = torch.Generator().manual_seed(4)
    for layer in (0, 2):
        kept[f"aligner.layers.{layer}.weight"] = torch.randn(64, 64, generator=generator) / 8
        kept[f"aligner.layers.{layer}.bias"] = torch.randn(64, generator=generator) / 8
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    return folder
