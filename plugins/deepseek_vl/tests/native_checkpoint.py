"""Checkpoints in the format of transformers, made from official weights through transformers' own classes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    DeepseekVLConfig,
    DeepseekVLForConditionalGeneration,
    DeepseekVLHybridConfig,
    DeepseekVLHybridForConditionalGeneration,
)

_HIGH, _LOW = r"vision_model\.vision_tower_high\.vision_tower\.", r"vision_model\.(?:vision_tower_low\.)?vision_tower\."
_ENCODER, _SIGLIP = "model.high_res_vision_model.vision_encoder.", "model.vision_model."
#: Official names -> transformers', after its conversion script; None: not converted.
_NAMES: tuple[tuple[str, str | None], ...] = (
    (r"vision_model\.(high|low)_layer_norm\..*", None),
    (rf"{_LOW}attn_pool\..*", None),
    (rf"{_HIGH}pos_embed", rf"{_ENCODER}pos_embed"),
    (rf"{_HIGH}patch_embed\.proj\.(.*)", rf"{_ENCODER}patch_embed.projection.\1"),
    (rf"{_HIGH}blocks\.(\d+)\.norm(\d)\.(.*)", rf"{_ENCODER}layers.\1.layer_norm\2.\3"),
    (rf"{_HIGH}blocks\.(\d+)\.(.*)", rf"{_ENCODER}layers.\1.\2"),
    (rf"{_HIGH}neck\.0\.weight", rf"{_ENCODER}neck.conv1.weight"),
    (rf"{_HIGH}neck\.1\.(.*)", rf"{_ENCODER}neck.layer_norm1.\1"),
    (rf"{_HIGH}neck\.2\.weight", rf"{_ENCODER}neck.conv2.weight"),
    (rf"{_HIGH}neck\.3\.(.*)", rf"{_ENCODER}neck.layer_norm2.\1"),
    (rf"{_HIGH}neck_hd\.0\.weight", "model.high_res_vision_neck.conv1.weight"),
    (rf"{_HIGH}neck_hd\.1\.(.*)", r"model.high_res_vision_neck.layer_norm1.\1"),
    (rf"{_HIGH}neck_hd\.2\.weight", "model.high_res_vision_neck.conv2.weight"),
    (rf"{_HIGH}neck_hd\.3\.(.*)", r"model.high_res_vision_neck.layer_norm2.\1"),
    (rf"{_HIGH}downsamples\.0\.weight", "model.high_res_vision_proj.conv1.weight"),
    (rf"{_HIGH}downsamples\.1\.weight", "model.high_res_vision_proj.conv2.weight"),
    (rf"{_HIGH}hd_alpha_downsamples", "model.high_res_vision_alpha"),
    (rf"{_LOW}pos_embed", rf"{_SIGLIP}embeddings.position_embedding.weight"),
    (rf"{_LOW}patch_embed\.proj\.(.*)", rf"{_SIGLIP}embeddings.patch_embedding.\1"),
    (rf"{_LOW}blocks\.(\d+)\.norm(\d)\.(.*)", rf"{_SIGLIP}encoder.layers.\1.layer_norm\2.\3"),
    (rf"{_LOW}blocks\.(\d+)\.attn\.proj\.(.*)", rf"{_SIGLIP}encoder.layers.\1.self_attn.out_proj.\2"),
    (rf"{_LOW}blocks\.(\d+)\.attn\.qkv\.(.*)", rf"{_SIGLIP}encoder.layers.\1.self_attn.qkv.\2"),
    (rf"{_LOW}blocks\.(\d+)\.mlp\.(.*)", rf"{_SIGLIP}encoder.layers.\1.mlp.\2"),
    (rf"{_LOW}norm\.(.*)", rf"{_SIGLIP}post_layernorm.\1"),
    (r"aligner\.layers\.0\.(.*)", r"model.aligner.linear1.\1"),
    (r"aligner\.layers\.2\.(.*)", r"model.aligner.linear2.\1"),
    (r"aligner\.layers\.1\.(.*)", r"model.aligner.proj.\1"),
    (r"aligner\.low_up_proj\.(.*)", r"model.aligner.vision_proj.\1"),
    (r"aligner\.high_up_proj\.(.*)", r"model.aligner.high_res_vision_proj.\1"),
    (r"language_model\.lm_head\.weight", "lm_head.weight"),
    (r"language_model\.model\.(.*)", r"model.language_model.\1"),
)
CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}


def native_model(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Any:
    """transformers' model of official weights; every weight has to find its place."""
    made, kind = _config(config)
    torch.manual_seed(0)
    model = kind(made).eval()
    model.load_state_dict(native_weights(weights), strict=True)
    return model


def native_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official weights under transformers' names, with SigLIP's projections and positions in its shapes."""
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if (new := _renamed(name)) is None:
            continue
        if "self_attn.qkv" in new:
            parts = zip("qkv", tensor.chunk(3), strict=True)
            found |= {new.replace("qkv", f"{letter}_proj"): part.contiguous() for letter, part in parts}
        else:
            found[new] = tensor[0] if "position_embedding" in new else tensor
    return found


def write_native(source: Path, folder: Path, doubled: bool) -> Path:
    """The transformers format of an official checkpoint, as ``save_pretrained`` writes it.

    :param doubled: SigLIP's names as in files of the time of the conversion.
    """
    config = json.loads((source / "config.json").read_text())
    native_model(config, load_file(source / "model.safetensors")).save_pretrained(folder)
    if doubled:
        weights = load_file(folder / "model.safetensors")
        again = re.compile(r"^model\.vision_model\.(?!vision_model)")
        weights = {again.sub(r"\g<0>vision_model.", name): tensor for name, tensor in weights.items()}
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copyfile(source / file, folder / file)
    high = {"high_res_size": {"height": 1024, "width": 1024}}
    high |= {f"high_res_image_{key}": value for key, value in CLIP.items()}
    half = (0.5, 0.5, 0.5)
    processor = {"do_normalize": True, "image_mean": half, "image_std": half, "size": {"height": 384, "width": 384}}
    (folder / "preprocessor_config.json").write_text(json.dumps({**processor, **high, "min_size": 14}))
    (folder / "processor_config.json").write_text(json.dumps({"num_image_tokens": 576}))
    return folder


def _renamed(name: str) -> str | None:
    for pattern, new in _NAMES:
        if match := re.fullmatch(pattern, name):
            return new and match.expand(new)
    raise KeyError(name)


def _config(config: Mapping[str, Any]) -> tuple[Any, Any]:
    params, text = config["vision_config"]["params"], dict(config["language_config"])
    text |= {"bos_token_id": None, "eos_token_id": None, "tie_word_embeddings": False}
    text.pop("torch_dtype", None)
    common = {"text_config": text, "tie_word_embeddings": False, "torch_dtype": "float32"}
    if "high_res_cfg" not in params:
        return DeepseekVLConfig(vision_config=_siglip(params), **common), DeepseekVLForConditionalGeneration
    high = params["high_res_cfg"]
    sam = {
        "hidden_size": high["width"],
        "num_hidden_layers": high["layers"],
        "num_attention_heads": high["heads"],
        "global_attn_indexes": high["global_attn_indexes"],
        "output_channels": high["prompt_embed_dim"],
        "image_size": high["image_size"],
    }
    made = DeepseekVLHybridConfig(vision_config=_siglip(params["low_res_cfg"]), high_res_vision_config=sam, **common)
    return made, DeepseekVLHybridForConditionalGeneration


def _siglip(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "hidden_size": params["width"],
        "intermediate_size": int(params["width"] * params["mlp_ratio"]),
        "num_hidden_layers": params["layers"],
        "num_attention_heads": params["heads"],
        "image_size": params["image_size"],
        "patch_size": 16,
        "hidden_act": "gelu",
        "vision_use_head": False,
    }
