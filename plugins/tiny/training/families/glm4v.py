"""glm4v-tiny: GLM-4V with a tower of four layers; a picture fills 18 places and takes three positions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import GlmConfig, GlmForCausalLM, PreTrainedModel

from training.families.canvases import NEARLY_SQUARE
from training.families.description import Architecture, Pictures, Talk, Tensors, TinyFamily
from training.families.fused import QUERY, fused
from training.families.towers import Normalisation
from training.families.vocabulary import Vocabulary
from training.tokenizer import added_tokens, write_json
from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug_glm4v.tower import GLM4VTower

SIDE, PATCH = 112, 14
#: Special tokens in the official order.
SPECIALS = (
    "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>", "<|assistant|>",
    "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>",
)  # fmt: skip
STOPS = ("<|endoftext|>", "<|user|>", "<|observation|>")
VISION: Mapping[str, Any] = {
    "dropout_prob": 0.0,
    "hidden_act": "gelu",
    "hidden_size": 128,
    "image_size": SIDE,
    "in_channels": 3,
    "intermediate_size": 384,
    "layer_norm_eps": 1e-6,
    "num_heads": 4,
    "num_hidden_layers": 4,
    "num_positions": (SIDE // PATCH) ** 2 + 1,
    "patch_size": PATCH,
    "scaling_factor": 8,
}
LANGUAGE: Mapping[str, Any] = {
    "add_bias_linear": False,
    "add_qkv_bias": True,
    "apply_query_key_layer_scaling": True,
    "apply_residual_connection_post_layernorm": False,
    "attention_dropout": 0.0,
    "attention_softmax_in_fp32": True,
    "bias_dropout_fusion": True,
    "ffn_hidden_size": 384,
    "fp32_residual_connection": False,
    "hidden_dropout": 0.0,
    "hidden_size": 192,
    "kv_channels": 32,
    "layernorm_epsilon": 1.5625e-07,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "num_attention_heads": 6,
    "num_layers": 4,
    "original_rope": True,
    "post_layer_norm": True,
    "pre_seq_len": None,
    "prefix_projection": False,
    "rmsnorm": True,
    "rope_ratio": 1,
    "seq_length": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
}
#: transformers' names -> official ones.
RENAMED = (
    ("model.embed_tokens", "transformer.embedding.word_embeddings"),
    ("lm_head", "transformer.output_layer"),
    ("model.norm", "transformer.encoder.final_layernorm"),
    ("model.layers", "transformer.encoder.layers"),
    (QUERY, "self_attention.query_key_value"),
    ("self_attn.o_proj", "self_attention.dense"),
    ("mlp.gate_up_proj", "mlp.dense_h_to_4h"),
    ("mlp.down_proj", "mlp.dense_4h_to_h"),
)


class Tower(GLM4VTower):
    """The plugin's tower with the pixel statistics on its device."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.statistics = Normalisation(CLIP_MEAN, CLIP_STD)

    def normalise(self, pictures: Tensor) -> Tensor:
        out: Tensor = self.statistics(pictures)
        return out


def language(text: Mapping[str, Any]) -> PreTrainedModel:
    """GLM-4 of transformers: half of each head rotates, in neighbouring pairs, as officially.

    :raises ValueError: this version of transformers reads the configuration otherwise.
    """
    shared = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    config = GlmConfig(
        **{name: text[name] for name in (*shared, "vocab_size", "head_dim", "max_position_embeddings")},
        rope_parameters={**text["rope_parameters"], "partial_rotary_factor": 0.5},
        rms_norm_eps=text["layernorm_epsilon"],
        attention_bias=text["add_qkv_bias"],
        initializer_range=0.04,
        tie_word_embeddings=False,
        pad_token_id=None,
        eos_token_id=None,
        attn_implementation="sdpa",
    )
    model = GlmForCausalLM(config)
    if (turned := 2 * model.model.rotary_emb.inv_freq.numel()) != config.head_dim // 2:
        raise ValueError(f"This transformers turns {turned} of {config.head_dim} channels of a head; GLM-4 turns half.")
    return model


def official(tower: Tensors, trained: Tensors) -> dict[str, Tensor]:
    """The tensors of the official files."""
    vision = {f"transformer.vision.{name}": tensor for name, tensor in tower.items()}
    return vision | fused(trained, RENAMED)


def write(folder: Path, vocabulary: Vocabulary) -> None:
    """``config.json``, ``generation_config.json``, the rank file and ``tokenizer_config.json``."""
    ids = vocabulary.ids(SPECIALS)
    stops = [ids[token] for token in STOPS]
    rows = vocabulary.rows(SPECIALS)
    config = {
        "_name_or_path": "THUDM/glm-4v-9b",
        "model_type": "chatglm",
        "architectures": ["ChatGLMModel"],
        **LANGUAGE,
        "boi_token_id": ids["<|begin_of_image|>"],
        "eoi_token_id": ids["<|end_of_image|>"],
        "eos_token_id": stops,
        "pad_token_id": ids["<|endoftext|>"],
        "padded_vocab_size": rows,
        "vocab_size": rows,
        "vision_config": dict(VISION),
    }
    tokenizer = {
        "added_tokens_decoder": added_tokens(ids),
        "additional_special_tokens": list(SPECIALS),
        "clean_up_tokenization_spaces": False,
        "do_lower_case": False,
        "eos_token": "<|endoftext|>",
        "image_size": SIDE,
        "model_max_length": LANGUAGE["seq_length"],
        "pad_token": "<|endoftext|>",
        "padding_side": "left",
        "remove_space": False,
        "tokenizer_class": "ChatGLM4Tokenizer",
    }
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", {"eos_token_id": stops, "pad_token_id": ids["<|endoftext|>"]})
    write_json(folder / "tokenizer_config.json", tokenizer)
    (folder / "tokenizer.model").write_text(vocabulary.rank_file(), encoding="ascii")


def tower(config: Mapping[str, Any]) -> nn.Module:
    return Tower(config)


GLM4V = TinyFamily(
    name="glm4v-tiny",
    model_type="glm4v-9b-chat",
    write=write,
    architecture=Architecture(tower, language, official),
    pictures=Pictures(NEARLY_SQUARE, {(SIDE, SIDE): 40}, (SIDE // PATCH // 2) ** 2 + 2),
    talk=Talk(
        stop="<|user|>",
        abilities="I can describe pictures of simple shapes, compare two pictures and answer questions about them.",
    ),
)
