"""qwen-vl-tiny: Qwen-VL-Chat with a tower of five layers; a picture fills 256 places, as in every model of the family.

The language model is trained on prompts far below ``seq_length``, where attention does not depend on their length yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from training.families.canvases import NEARLY_SQUARE
from training.families.description import Architecture, BlockSize, Pictures, Talk, Tensors, TinyFamily
from training.families.fused import QUERY, fused
from training.families.towers import Normalisation, attend_nearby
from training.families.vocabulary import Vocabulary
from training.tokenizer import write_json
from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug.parts.sincos import sincos_positions
from vlmplug_qwen_vl.config import QUERIES
from vlmplug_qwen_vl.tokens import END, IMAGE, RANKS, TURN_END
from vlmplug_qwen_vl.tower import QwenVLTower

SIDE, PATCH, WIDTH = 112, 14, 128
#: The resampler's heads have 128 numbers, so that nothing narrower is possible.
HIDDEN = 128
CONTEXT, TRAINED = 4096, 2048
#: In the official order, behind the ranks.
SPECIALS = RANKS.specials or ()
LANGUAGE: Mapping[str, Any] = {
    "architectures": ["QWenLMHeadModel"],
    "attn_dropout_prob": 0.0,
    "auto_map": {
        "AutoConfig": "configuration_qwen.QWenConfig",
        "AutoModelForCausalLM": "modeling_qwen.QWenLMHeadModel",
    },
    "bf16": True,
    "emb_dropout_prob": 0.0,
    "fp16": False,
    "fp32": False,
    "hidden_size": HIDDEN,
    "initializer_range": 0.04,
    "intermediate_size": 2 * 512,
    "kv_channels": 32,
    "layer_norm_epsilon": 1e-6,
    "max_position_embeddings": CONTEXT,
    "model_type": "qwen",
    "no_bias": True,
    "num_attention_heads": HIDDEN // 32,
    "num_hidden_layers": 5,
    "onnx_safe": None,
    "rotary_emb_base": 10000,
    "rotary_pct": 1.0,
    "scale_attn_weights": True,
    "seq_length": TRAINED,
    "tie_word_embeddings": False,
    "tokenizer_type": "QWenTokenizer",
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_dynamic_ntk": True,
    "use_flash_attn": False,
    "use_logn_attn": True,
}
VISION: Mapping[str, Any] = {
    "heads": 4,
    "image_size": SIDE,
    "layers": 5,
    "mlp_ratio": 3,
    "output_dim": HIDDEN,
    "patch_size": PATCH,
    "width": WIDTH,
}
#: transformers' names -> official ones.
RENAMED = (
    ("model.embed_tokens", "transformer.wte"),
    ("model.norm", "transformer.ln_f"),
    ("model.layers", "transformer.h"),
    ("input_layernorm", "ln_1"),
    ("post_attention_layernorm", "ln_2"),
    (QUERY, "attn.c_attn"),
    ("self_attn.o_proj", "attn.c_proj"),
    ("mlp.gate_proj", "mlp.w2"),
    ("mlp.up_proj", "mlp.w1"),
    ("mlp.down_proj", "mlp.c_proj"),
)


class Tower(QwenVLTower):
    """The plugin's tower with the pixel statistics on its device.

    The resampler's positions begin as the official ones, which stay as they are; here they are learned with the rest.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.statistics = Normalisation(CLIP_MEAN, CLIP_STD)
        side = int(config["queries"] ** 0.5)
        self.attn_pool.pos_embed.data.copy_(sincos_positions(side, side, config["output_dim"]))
        self.attn_pool.pos_embed.requires_grad_()
        # Where a query stands says more at first than what is in it.
        self.attn_pool.ln_q.weight.data.fill_(0.1)
        attend_nearby(self.attn_pool)

    def normalise(self, pictures: Tensor) -> Tensor:
        out: Tensor = self.statistics(pictures)
        return out


def tower(config: Mapping[str, Any]) -> nn.Module:
    return Tower(config)


def language(text: Mapping[str, Any]) -> PreTrainedModel:
    """Qwen2: the same layers, with biases at query, key and value alone."""
    known = {name: value for name, value in text.items() if name not in ("fused_qkv", "head_dim")}
    return Qwen2ForCausalLM(Qwen2Config(**known, initializer_range=0.04, attn_implementation="sdpa"))


def official(tower: Tensors, trained: Tensors) -> dict[str, Tensor]:
    """The tensors of the official files."""
    vision = {f"transformer.visual.{name}": tensor for name, tensor in tower.items()}
    return vision | fused(trained, RENAMED)


def write(folder: Path, vocabulary: Vocabulary) -> None:
    """``config.json``, ``generation_config.json``, the rank file and ``tokenizer_config.json``."""
    ids = vocabulary.ids(SPECIALS)
    vision = {**VISION, "image_start_id": ids[IMAGE]}
    ends = {"eos_token_id": ids[END], "pad_token_id": ids[END]}
    generation = {"chat_format": "chatml", "max_new_tokens": 512, "max_window_size": CONTEXT - CONTEXT // 4}
    tokenizer = {
        "auto_map": {"AutoTokenizer": ["tokenization_qwen.QWenTokenizer", None]},
        "model_max_length": CONTEXT,
        "tokenizer_class": "QWenTokenizer",
    }
    write_json(folder / "config.json", {**LANGUAGE, "visual": vision, "vocab_size": vocabulary.rows(SPECIALS)})
    write_json(folder / "generation_config.json", {**generation, "do_sample": False, **ends})
    write_json(folder / "tokenizer_config.json", tokenizer)
    (folder / RANKS.name).write_text(vocabulary.rank_file(), encoding="ascii")


QWEN_VL = TinyFamily(
    name="qwen-vl-tiny",
    model_type="qwen-vl-chat",
    write=write,
    architecture=Architecture(tower, language, official),
    pictures=Pictures(NEARLY_SQUARE, {(SIDE, SIDE): 12}, QUERIES),
    talk=Talk(
        stop=TURN_END,
        abilities="I can describe pictures of simple shapes, compare two pictures and answer questions about them.",
    ),
    block=BlockSize(rows=4, length=1024),
)
