"""minicpm-v-tiny: MiniCPM-V 2.6 with a tower of four layers; pictures are cut into up to four cells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, normalizers, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from training.clips import PER_SECOND
from training.families.canvases import SLICED
from training.families.description import Architecture, Pictures, Talk, Tensors, TinyFamily
from training.families.recordings import Recording
from training.families.towers import Normalisation, attend_nearby
from training.families.vocabulary import Vocabulary, byte_level
from training.scenes import Canvas
from training.tokenizer import CHAT_TEMPLATE, WORD_PATTERN, added_tokens, declared, write_json
from vlmplug.parts.navit import NavitSizes, NavitTransformer
from vlmplug.parts.sincos import sincos_positions
from vlmplug_minicpm_v.tower import POSITION_RULES, MiniCPMVTower

SIDE, PATCH, QUERIES = 112, 14, 32
MOST_SLICES = 4
CONTEXT = 4096
END = "<|im_end|>"
SPECIALS = (
    "<unk>", "<|endoftext|>", "<|im_start|>", END, "<image>", "</image>", "<ref>", "</ref>", "<box>", "</box>",
    "<quad>", "</quad>", "<point>", "</point>", "<slice>", "</slice>", "<image_id>", "</image_id>",
    "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
)  # fmt: skip
STATISTICS = [0.5, 0.5, 0.5]
CONFIG: Mapping[str, Any] = {
    "architectures": ["MiniCPMV"],
    "attention_dropout": 0.0,
    "auto_map": {
        "AutoConfig": "configuration_minicpm.MiniCPMVConfig",
        "AutoModel": "modeling_minicpmv.MiniCPMV",
        "AutoModelForCausalLM": "modeling_minicpmv.MiniCPMV",
    },
    "batch_vision_input": True,
    "drop_vision_last_layer": False,
    "hidden_act": "silu",
    "hidden_size": 256,
    "image_size": SIDE,
    "initializer_range": 0.04,
    "intermediate_size": 256,
    "max_position_embeddings": CONTEXT,
    "max_window_layers": 4,
    "model_type": "minicpmv",
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "patch_size": PATCH,
    "query_num": QUERIES,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "slice_config": {"max_slice_nums": MOST_SLICES, "patch_size": PATCH, "model_type": "minicpmv"},
    "slice_mode": True,
    "sliding_window": CONTEXT,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_image_id": True,
    "use_sliding_window": False,
    "version": 2.6,
    "vision_batch_size": 16,
    "vision_config": {
        "hidden_size": 128,
        "image_size": 12 * PATCH,
        "intermediate_size": 256,
        "model_type": "siglip",
        "num_attention_heads": 4,
        "num_hidden_layers": 4,
        "patch_size": PATCH,
    },
}
PREPROCESSOR: Mapping[str, Any] = {
    "image_processor_type": "MiniCPMVImageProcessor",
    "auto_map": {
        "AutoProcessor": "processing_minicpmv.MiniCPMVProcessor",
        "AutoImageProcessor": "image_processing_minicpmv.MiniCPMVImageProcessor",
    },
    "processor_class": "MiniCPMVProcessor",
    "max_slice_nums": MOST_SLICES,
    "scale_resolution": SIDE,
    "patch_size": PATCH,
    "image_feature_size": QUERIES,
    "im_start": "<image>",
    "im_end": "</image>",
    "slice_start": "<slice>",
    "slice_end": "</slice>",
    "unk": "<unk>",
    "norm_mean": STATISTICS,
    "norm_std": STATISTICS,
    "use_image_id": True,
    "im_id_start": "<image_id>",
    "im_id_end": "</image_id>",
    "slice_mode": True,
    "version": 2.6,
}


class Positions(nn.Module):
    """The plugin's rule for 2.6, each answer kept on the device, so that no later step waits for its upload."""

    def __init__(self) -> None:
        super().__init__()
        self.device_of: Tensor
        self.register_buffer("device_of", torch.empty(0), persistent=False)
        self.known: dict[tuple[int, int, int], Tensor] = {}

    def forward(self, rows: int, columns: int, side: int) -> Tensor:
        found = self.known.get((rows, columns, side))
        if found is None or found.device != self.device_of.device:
            found = POSITION_RULES["grid"](rows, columns, side).to(self.device_of.device)
            self.known[rows, columns, side] = found
        return found


class Tower(MiniCPMVTower):
    """The plugin's tower with statistics and positions on its device."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.vpm = NavitTransformer(NavitSizes(**config["vision"]), Positions())
        self.statistics = Normalisation(config["mean"], config["std"])
        self.resampler.query.data.copy_(spread_queries(self.resampler.query.shape[1]))
        attend_nearby(self.resampler)

    def normalise(self, slices: Tensor) -> Tensor:
        out: Tensor = self.statistics(slices)
        return out


def spread_queries(size: int) -> Tensor:
    """What the queries begin as: positions all over a square slice, each between neighbouring patches of a row."""
    side = SIDE // PATCH
    out: Tensor = sincos_positions(side, side, size).unflatten(0, (QUERIES, -1)).mean(1)
    return out


def tower(config: Mapping[str, Any]) -> nn.Module:
    return Tower(config)


def language(text: Mapping[str, Any]) -> PreTrainedModel:
    """Qwen2, which it is."""
    return Qwen2ForCausalLM(Qwen2Config(**text, initializer_range=0.04, attn_implementation="sdpa"))


def official(tower: Tensors, trained: Tensors) -> dict[str, Tensor]:
    """The tensors of the official files."""
    return {**tower, **{f"llm.{name}": tensor for name, tensor in trained.items()}}


def write(folder: Path, vocabulary: Vocabulary) -> None:
    """``config.json``, the files of the processor and those of the tokenizer."""
    ids = vocabulary.ids(SPECIALS)
    ends = {"bos_token_id": ids["<|im_start|>"], "eos_token_id": ids[END]}
    write_json(folder / "config.json", {**CONFIG, **ends, "vocab_size": vocabulary.rows(SPECIALS)})
    write_json(folder / "preprocessor_config.json", dict(PREPROCESSOR))
    write_json(folder / "generation_config.json", {"_from_model_config": True, **ends})
    write_tokenizer(folder, vocabulary)


def write_tokenizer(folder: Path, vocabulary: Vocabulary) -> None:
    """``vocab.json``, ``merges.txt`` and ``tokenizer.json``, and the three that declare special tokens."""
    ids = vocabulary.ids(SPECIALS)
    roles = {"bos_token": "<|im_start|>", "eos_token": END, "pad_token": "<|endoftext|>", "unk_token": "<unk>"}
    listed = {"additional_special_tokens": list(SPECIALS[1:])}
    tokenizer_config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": added_tokens(ids),
        **listed,
        **roles,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": CONTEXT,
        "split_special_tokens": False,
        "tokenizer_class": "MiniCPMVTokenizerFast",
    }
    write_json(folder / "tokenizer_config.json", tokenizer_config)
    write_json(folder / "special_tokens_map.json", {**listed, **{role: declared(t) for role, t in roles.items()}})
    write_json(folder / "added_tokens.json", ids)
    write_json(folder / "vocab.json", vocabulary.indexed(), None)
    made = byte_level(vocabulary, [pre_tokenizers.Split(Regex(WORD_PATTERN), "isolated")], SPECIALS)
    made.normalizer = normalizers.NFC()
    (folder / "tokenizer.json").write_text(made.to_str(), encoding="utf-8")
    (folder / "merges.txt").write_text(vocabulary.merges_file(), encoding="utf-8")


MINICPM_V = TinyFamily(
    name="minicpm-v-tiny",
    model_type="minicpm-v-v2_6-chat",
    write=write,
    architecture=Architecture(tower, language, official),
    pictures=Pictures(
        SLICED,
        {(112, 112): 48, (126, 98): 8, (98, 126): 4, (154, 84): 5, (84, 154): 5, (84, 140): 12, (140, 84): 6},
        QUERIES,
        # Frames of 160 x 120 pixels are cut in two, so that eight of them would fill more than a row.
        recordings=(
            *(Recording(Canvas(112, 112), PER_SECOND * seconds) for seconds in (3, 4, 5, 6, 8)),
            *[Recording(Canvas(160, 120), PER_SECOND * 3)] * 3,
        ),
        clips=14,
    ),
    talk=Talk(
        stop=END,
        abilities="I can describe pictures and short videos of simple shapes and answer questions about them.",
    ),
)
