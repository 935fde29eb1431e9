"""deepseek-vl-tiny: DeepSeek-VL 1.3B's architecture, SigLIP alone, with a tower of four layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, pre_tokenizers
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from training.families.canvases import NEARLY_SQUARE
from training.families.description import Architecture, BlockSize, Pictures, Talk, Tensors, TinyFamily
from training.families.towers import Normalisation
from training.families.vocabulary import Vocabulary, byte_level
from training.tokenizer import added_tokens, write_json
from vlmplug_deepseek_vl.tokens import BEGIN, END
from vlmplug_deepseek_vl.tower import SingleTower
from vlmplug_deepseek_vl.vision import Vision

SIDE, PATCH, WIDTH, HIDDEN = 112, 16, 128, 192
IMAGE_TAG = "<image_placeholder>"
SPECIALS = (BEGIN, END, IMAGE_TAG)
CONTEXT = 4096
STATISTICS = (0.5, 0.5, 0.5)
#: How the official tokenizer cuts text, one expression after the other.
CUTS = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"\s+$", "[一-龥ࠀ-一가-퟿]+")
LANGUAGE: Mapping[str, Any] = {
    "hidden_size": HIDDEN,
    "intermediate_size": 384,
    "max_position_embeddings": CONTEXT,
    "model_type": "llama",
    "num_attention_heads": 6,
    "num_hidden_layers": 4,
    "num_key_value_heads": 6,
    "torch_dtype": "bfloat16",
}
VISION: Mapping[str, Any] = {
    "image_size": SIDE,
    "patch_size": PATCH,
    "model_name": "siglip_large_patch16_384",
    "pixel_mean": list(STATISTICS),
    "pixel_std": list(STATISTICS),
    "select_feature": "same",
    "select_layer": -1,
    "width": WIDTH,
    "layers": 4,
    "heads": 4,
    "mlp_ratio": 3,
}
ALIGNER: Mapping[str, Any] = {"depth": 2, "input_dim": WIDTH, "n_embed": HIDDEN, "projector_type": "mlp_gelu"}
PREPROCESSOR: Mapping[str, Any] = {
    "background_color": [127, 127, 127],
    "do_normalize": False,
    "image_mean": list(STATISTICS),
    "image_processor_type": "VLMImageProcessor",
    "image_size": SIDE,
    "image_std": list(STATISTICS),
    "min_size": 14,
    "processor_class": "VLChatProcessor",
    "rescale_factor": 1 / 255,
}


class Tower(SingleTower):
    """The plugin's tower with the pixel statistics on its device."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        vision = Vision.from_data(config)
        super().__init__(replace(vision, siglip=replace(vision.siglip, normalisation=None)))
        self.statistics = Normalisation(STATISTICS, STATISTICS)

    def forward(self, tiles: Tensor) -> Tensor:
        out: Tensor = self.aligner(self.siglip(self.statistics(tiles)))
        return out


def tower(config: Mapping[str, Any]) -> nn.Module:
    return Tower(config)


def language(text: Mapping[str, Any]) -> PreTrainedModel:
    """Llama, which it is."""
    return LlamaForCausalLM(LlamaConfig(**text, initializer_range=0.04, attn_implementation="sdpa"))


def official(tower: Tensors, trained: Tensors) -> dict[str, Tensor]:
    """The tensors of the official files."""
    vision = {name.replace("siglip.", "vision_model.vision_tower.", 1): tensor for name, tensor in tower.items()}
    return vision | {f"language_model.{name}": tensor for name, tensor in trained.items()}


def tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """What the official ``tokenizer.json`` holds."""
    cuts = [pre_tokenizers.Split(Regex(cut), "isolated") for cut in CUTS]
    return byte_level(vocabulary, [*cuts, pre_tokenizers.Digits(individual_digits=True)], SPECIALS)


def config(vocabulary: Vocabulary) -> dict[str, Any]:
    """The official ``config.json`` with our sizes."""
    return {
        "aligner_config": {"cls": "MlpProjector", "model_type": "aligner", "params": dict(ALIGNER)},
        "architectures": ["MultiModalityCausalLM"],
        "language_config": {**LANGUAGE, "vocab_size": vocabulary.rows(SPECIALS)},
        "model_type": "multi_modality",
        "torch_dtype": "bfloat16",
        "vision_config": {"cls": "CLIPVisionTower", "model_type": "vision", "params": dict(VISION)},
    }


def write(folder: Path, vocabulary: Vocabulary) -> None:
    """``config.json``, the two processors' files and those of the tokenizer."""
    roles = {"bos_token": BEGIN, "eos_token": END, "pad_token": END}
    listed = {"additional_special_tokens": [IMAGE_TAG], **roles}
    write_json(folder / "config.json", config(vocabulary))
    write_json(folder / "preprocessor_config.json", dict(PREPROCESSOR))
    processor = {
        "add_special_token": False,
        "ignore_id": -100,
        "image_tag": IMAGE_TAG,
        "mask_prompt": True,
        "num_image_tokens": (SIDE // PATCH) ** 2,
        "processor_class": "VLChatProcessor",
        "sft_format": "deepseek",
    }
    write_json(folder / "processor_config.json", processor)
    write_json(folder / "special_tokens_map.json", listed)
    tokenizer_config = {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": added_tokens(vocabulary.ids(SPECIALS)),
        **listed,
        "clean_up_tokenization_spaces": False,
        "legacy": True,
        "model_max_length": CONTEXT,
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizerFast",
        "unk_token": None,
        "use_default_system_prompt": False,
    }
    write_json(folder / "tokenizer_config.json", tokenizer_config)
    (folder / "tokenizer.json").write_text(tokenizer(vocabulary).to_str(), encoding="utf-8")


DEEPSEEK_VL = TinyFamily(
    name="deepseek-vl-tiny",
    model_type="deepseek-vl-1_3b-chat",
    write=write,
    architecture=Architecture(tower, language, official),
    pictures=Pictures(NEARLY_SQUARE, {(SIDE, SIDE): 16}, (SIDE // PATCH) ** 2),
    talk=Talk(
        stop=END,
        abilities="I can describe pictures of simple shapes, compare two pictures and answer questions about them.",
    ),
    # Two conversations about a picture hardly fit into 512 tokens.
    block=BlockSize(rows=5, length=768),
)
