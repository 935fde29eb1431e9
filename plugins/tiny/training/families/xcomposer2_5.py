"""xcomposer2_5-tiny: XComposer2.5 with tiles of 560 pixels in ten by ten patches; 61 places a picture, partial LoRA.

Pictures of up to 560 pixels are enlarged to one tile; clips become a row or a column of tiles. Nothing of a tile is
lost by averaging squares of four pixels while it is trained: a patch's weights are the same for all pixels of a square,
and the exported ones are spread over them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from training.clips import PER_SECOND
from training.export import WEIGHTS
from training.families.canvases import ENLARGED
from training.families.description import Architecture, Pictures, Size, Talk, Tensors, TinyFamily
from training.families.fused import FOLLOWING, QUERY, projections, renamed
from training.families.partial_lora import give_additions, interleaved
from training.families.pieces import sentencepiece_model
from training.families.recordings import Recording
from training.families.towers import Normalisation
from training.families.vocabulary import Vocabulary
from training.scenes import Canvas
from training.tokenizer import write_json
from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug_xcomposer2_5.config import text_config
from vlmplug_xcomposer2_5.prompts import END, START
from vlmplug_xcomposer2_5.sizes import MERGED, TILE, TowerSizes
from vlmplug_xcomposer2_5.tower import XComposerTower
from vlmplug_xcomposer2_5.weights import TOWER

#: Pixels of a patch, and of the squares that are averaged.
PATCH, AVERAGED = 56, 4
#: Tokens along one side of a tile.
SIDE = TILE // PATCH // MERGED
#: Pixels along one side of a tile as training sees it.
SEEN = TILE // AVERAGED
CONTEXT, HEADS, GROUPS, RANK = 4096, 6, 2, 16
#: Of the tower and the projector; the official files tell them by the shapes of the weights alone.
SIZES = TowerSizes(width=64, inner=192, layers=6, patch=PATCH, side=TILE // PATCH, projected=192, hidden=192)
CONFIG: Mapping[str, Any] = {
    "architectures": ["InternLMXComposer2ForCausalLM"],
    "attn_implementation": "eager",
    "auto_map": {
        "AutoConfig": "configuration_internlm_xcomposer2.InternLMXcomposer2Config",
        "AutoModel": "modeling_internlm_xcomposer2.InternLMXComposer2ForCausalLM",
        "AutoModelForCausalLM": "modeling_internlm_xcomposer2.InternLMXComposer2ForCausalLM",
    },
    "bias": False,
    "hidden_act": "silu",
    "hidden_size": SIZES.hidden,
    "initializer_range": 0.04,
    "intermediate_size": 384,
    "max_length": CONTEXT,
    "max_position_embeddings": CONTEXT,
    "model_type": "internlm2",
    "num_attention_heads": HEADS,
    "num_hidden_layers": 4,
    "num_key_value_heads": GROUPS,
    "rms_norm_eps": 1e-5,
    "rope_scaling": {"type": "dynamic", "factor": 2.0},
    "rope_theta": 10000,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
}
#: Layers whose additions share one A, by transformers' names.
SHARING = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj",), ("up_proj",), ("down_proj",))
#: transformers' names -> official ones; the official files hold query, key and value in one matrix.
RENAMED = (
    ("model.embed_tokens", "model.tok_embeddings"),
    ("lm_head", "output"),
    ("input_layernorm", "attention_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    (QUERY, "attention.wqkv"),
    ("self_attn.o_proj", "attention.wo"),
    ("mlp.gate_proj", "feed_forward.w1"),
    ("mlp.up_proj", "feed_forward.w3"),
    ("mlp.down_proj", "feed_forward.w2"),
)
#: The tower's names -> official ones behind `TOWER`.
RENAMED_VISION = (
    (r"cls_token", "embeddings.class_embedding"),
    (r"pos_embed", "embeddings.position_embedding.weight"),
    (r"patch_embed\.proj\.weight", "embeddings.patch_embedding.weight"),
    (r"norm_pre\.", "pre_layrnorm."),
    (r"blocks\.(\d+)\.norm([12])\.", r"encoder.layers.\1.layer_norm\2."),
    (r"blocks\.(\d+)\.attn\.", r"encoder.layers.\1.self_attn."),
    (r"blocks\.(\d+)\.mlp\.", r"encoder.layers.\1.mlp."),
)
#: Parts of the tower that keep their names.
NAMED_ALIKE = ("plora_", "vision_proj.")


class Tower(XComposerTower):
    """The plugin's tower for rows and columns of tiles, averaged already; a single tile is its own whole."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(replace(TowerSizes(**config), patch=PATCH // AVERAGED))
        self.statistics = Normalisation(CLIP_MEAN, CLIP_STD)

    def forward(self, tiles: Tensor) -> Tensor:
        """uint8 [n, height, width, 3], sides whole tiles -> [n, tokens, hidden]."""
        pixels = self.statistics(tiles)
        count, _, height, width = pixels.shape
        rows, columns = height // SEEN, width // SEEN
        cut = pixels.reshape(count, 3, rows, SEEN, columns, SEEN).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        if rows * columns > 1:
            # as `XComposerTower.views` makes it, of averaged squares instead of pixels
            whole = F.interpolate(pixels, (SEEN, SEEN), mode="bicubic", align_corners=False)
            cut = torch.cat([whole[:, None], cut], 1)
        seen = super().forward(cut.flatten(0, 1).permute(0, 2, 3, 1)).unflatten(0, (count, -1))
        views = seen if rows * columns > 1 else seen.expand(-1, 2, -1, -1)
        out: Tensor = torch.vmap(lambda one: self.arrange(tuple(one), (columns, rows)))(views)
        return out


def tower(config: Mapping[str, Any]) -> nn.Module:
    return Tower(config)


def tokens(size: Size) -> int:
    """The whole and the tiles, each line with its newline, and the separator; ``size`` after averaging."""
    columns, rows = (side // SEEN for side in size)
    return SIDE * (SIDE + 1) + 1 + SIDE * rows * (SIDE * columns + 1)


def language(text: Mapping[str, Any]) -> PreTrainedModel:
    """Llama, to whose linear layers the additions come."""
    known = {name: value for name, value in text.items() if name not in ("architectures", "model_type", "bias")}
    config = LlamaConfig(**known, initializer_range=0.04, attn_implementation="sdpa")
    model = LlamaForCausalLM(config)
    give_additions(model, SHARING, RANK)
    return model


def official(tower: Tensors, trained: Tensors) -> dict[str, Tensor]:
    """The tensors of the official files."""
    kept = [name for name in trained if not FOLLOWING.search(name)]
    return dict(official_vision(*named) for named in tower.items()) | dict(
        official_language(name, trained) for name in kept
    )


def official_vision(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Name and tensor; a patch's weights are spread over the pixels that were averaged."""
    if name == "patch_embed.proj.weight":
        tensor = tensor.repeat_interleave(AVERAGED, 2).repeat_interleave(AVERAGED, 3) / AVERAGED**2
    if name.startswith(NAMED_ALIKE):
        return name, tensor
    for pattern, officially in RENAMED_VISION:
        name = re.sub(rf"^{pattern}", officially, name)
    return TOWER + name, tensor


def official_language(name: str, trained: Tensors) -> tuple[str, Tensor]:
    """Name and tensor; that of the query brings key and value with it."""
    officially = renamed(name, RENAMED)
    if QUERY in name and "Plora_A" not in name:
        return officially, interleaved(projections(name, trained), GROUPS)
    return officially, trained[name]


def write(folder: Path, vocabulary: Vocabulary) -> None:
    """``config.json``, ``generation_config.json``, the files of the tokenizer, and untrained weights."""
    model = sentencepiece_model(vocabulary, (START, END))
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    tokenizer = {
        "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
        **roles,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "tokenizer_class": "InternLM2Tokenizer",
    }
    config = {**CONFIG, **ends, "vocab_size": -(-len(model.pieces) // 16) * 16}
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", {"_from_model_config": True, **ends, "max_length": CONTEXT})
    write_json(folder / "special_tokens_map.json", roles)
    write_json(folder / "tokenizer_config.json", tokenizer)
    (folder / "tokenizer.model").write_bytes(model.SerializeToString(deterministic=True))
    save_file(untrained(config), folder / WEIGHTS, {"format": "pt"})


def untrained(config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights that nothing has been learned in, for their shapes: without them the plugin takes the official sizes."""
    halves = (dict(half.named_parameters()) for half in (Tower(asdict(SIZES)), language(text_config(config))))
    return {name: tensor.detach().to(torch.bfloat16).contiguous() for name, tensor in official(*halves).items()}


XCOMPOSER2_5 = TinyFamily(
    name="xcomposer2_5-tiny",
    model_type="internlm-xcomposer2_5-7b-chat",
    write=write,
    architecture=Architecture(tower, language, official),
    pictures=Pictures(
        ENLARGED,
        # Square frames stand side by side, each as wide as a tile; wide ones below each other.
        {(SEEN, SEEN): 20, **{(SEEN * many, SEEN): 2 for many in (3, 5, 8)}, **{(SEEN, SEEN * n): 2 for n in (3, 4)}},
        tokens,
        averaged=AVERAGED,
        recordings=(
            *(Recording(Canvas(112, 112), PER_SECOND * seconds) for seconds in (3, 5, 8)),
            *(Recording(Canvas(160, 120), PER_SECOND * seconds) for seconds in (3, 4, 5)),
        ),
        clips=35,
    ),
    talk=Talk(
        stop=END,
        abilities="I can describe pictures and short videos of simple shapes and answer questions about them.",
    ),
)
