"""Names and shapes of the weights that each language-model architecture reads, from its configuration alone.

The names are those of the official checkpoints (remote code of ``InternLM2ForCausalLM`` and ``ChatGLMModel``;
transformers for the others), without the prefix under which a family keeps its language model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from vlmplug.errors import EngineOptionError

Shape: TypeAlias = "tuple[int, ...]"
Shapes: TypeAlias = "Iterator[tuple[str, Shape]]"


#: Where the engine keeps `FamilyModel.partial_lora` in a text configuration: by layer, ``rank`` and ``scale``.
PARTIAL_LORA = "partial_lora"
#: What ChatGLM calls the same numbers; its vocabulary has rows behind the last token.
_CHATGLM_NAMES = {
    "intermediate_size": "ffn_hidden_size",
    "vocab_size": "padded_vocab_size",
    "num_hidden_layers": "num_layers",
    "head_dim": "kv_channels",
}


#: The first Qwen's, as its ``config.json`` has it; its ``intermediate_size`` counts gate and up projection together.
QWEN = "QWenLMHeadModel"

#: Key of a text configuration: the checkpoint holds queries, keys and values in one matrix, one behind the other.
FUSED_QKV = "fused_qkv"


def standard_names(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A text configuration with its sizes under the names that most architectures use."""
    own = {name: config[other] for name, other in _CHATGLM_NAMES.items() if other in config}
    if QWEN in (config.get("architectures") or ()):
        own["intermediate_size"] = config["intermediate_size"] // 2
    if config.get("multi_query_attention"):
        own["num_key_value_heads"] = config["multi_query_group_num"]
    return {**config, **own}


class Sizes:
    """The numbers that every decoder shares."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        config = standard_names(config)
        self.hidden = config["hidden_size"]
        self.inner = config["intermediate_size"]
        self.vocabulary = config["vocab_size"]
        self.layers = range(config["num_hidden_layers"])
        self.heads = config["num_attention_heads"]
        self.head = config.get("head_dim") or self.hidden // self.heads
        self.query = self.heads * self.head
        self.key_value_heads = config.get("num_key_value_heads") or self.heads
        self.key_value = self.key_value_heads * self.head


def is_matrix(name: str, shape: Shape) -> bool:
    """Whether a weight is that of a linear layer of the decoder: what ranks share, and what AWQ packs."""
    return len(shape) == 2 and ".layers." in name


def _internlm2(config: Mapping[str, Any]) -> Shapes:
    s, bias = Sizes(config), bool(config.get("bias"))
    yield "model.tok_embeddings.weight", (s.vocabulary, s.hidden)
    for i in s.layers:
        at = f"model.layers.{i}"
        yield from _linear(f"{at}.attention.wqkv", s.query + 2 * s.key_value, s.hidden, bias)
        yield from _linear(f"{at}.attention.wo", s.hidden, s.query, bias)
        yield f"{at}.feed_forward.w1.weight", (s.inner, s.hidden)
        yield f"{at}.feed_forward.w2.weight", (s.hidden, s.inner)
        yield f"{at}.feed_forward.w3.weight", (s.inner, s.hidden)
        yield f"{at}.attention_norm.weight", (s.hidden,)
        yield f"{at}.ffn_norm.weight", (s.hidden,)
    yield "model.norm.weight", (s.hidden,)
    yield "output.weight", (s.vocabulary, s.hidden)


def _llama(config: Mapping[str, Any]) -> Shapes:
    bias = bool(config.get("attention_bias"))
    yield from _separate(config, query_bias=bias, output_bias=bias)


def _qwen2(config: Mapping[str, Any]) -> Shapes:
    shapes = _separate(config, query_bias=True, output_bias=False)
    yield from _fused(config, shapes) if config.get(FUSED_QKV) else shapes


def _qwen(config: Mapping[str, Any]) -> Shapes:
    """The same model as Qwen2, without groups of keys, under transformers' names but for the fused projection."""
    yield from _fused(config, _separate(config, query_bias=True, output_bias=False))


def _fused(config: Mapping[str, Any], shapes: Shapes) -> Shapes:
    """The same weights with ``qkv_proj`` in the place of three projections."""
    rows = Sizes(config).query + 2 * Sizes(config).key_value
    for name, shape in shapes:
        if ".q_proj." in name:
            yield name.replace(".q_proj.", ".qkv_proj."), (rows, *shape[1:])
        elif ".k_proj." not in name and ".v_proj." not in name:
            yield name, shape


def _separate(config: Mapping[str, Any], query_bias: bool, output_bias: bool) -> Shapes:
    s = Sizes(config)
    for i in s.layers:
        at = f"model.layers.{i}"
        yield from _linear(f"{at}.self_attn.q_proj", s.query, s.hidden, query_bias)
        yield from _linear(f"{at}.self_attn.k_proj", s.key_value, s.hidden, query_bias)
        yield from _linear(f"{at}.self_attn.v_proj", s.key_value, s.hidden, query_bias)
        yield from _linear(f"{at}.self_attn.o_proj", s.hidden, s.query, output_bias)
        yield f"{at}.mlp.gate_proj.weight", (s.inner, s.hidden)
        yield f"{at}.mlp.up_proj.weight", (s.inner, s.hidden)
        yield f"{at}.mlp.down_proj.weight", (s.hidden, s.inner)
    yield from _frame(config, s)


def _phi3(config: Mapping[str, Any]) -> Shapes:
    s = Sizes(config)
    for i in s.layers:
        at = f"model.layers.{i}"
        yield f"{at}.self_attn.qkv_proj.weight", (s.query + 2 * s.key_value, s.hidden)
        yield f"{at}.self_attn.o_proj.weight", (s.hidden, s.query)
        yield f"{at}.mlp.gate_up_proj.weight", (2 * s.inner, s.hidden)
        yield f"{at}.mlp.down_proj.weight", (s.hidden, s.inner)
    yield from _frame(config, s)


def _chatglm(config: Mapping[str, Any]) -> Shapes:
    s, bias = Sizes(config), bool(config.get("add_bias_linear"))
    yield "transformer.embedding.word_embeddings.weight", (s.vocabulary, s.hidden)
    for i in s.layers:
        at = f"transformer.encoder.layers.{i}"
        query_bias = bias or bool(config.get("add_qkv_bias"))
        yield from _linear(f"{at}.self_attention.query_key_value", s.query + 2 * s.key_value, s.hidden, query_bias)
        yield from _linear(f"{at}.self_attention.dense", s.hidden, s.query, bias)
        yield from _linear(f"{at}.mlp.dense_h_to_4h", 2 * s.inner, s.hidden, bias)
        yield from _linear(f"{at}.mlp.dense_4h_to_h", s.hidden, s.inner, bias)
        yield f"{at}.input_layernorm.weight", (s.hidden,)
        yield f"{at}.post_attention_layernorm.weight", (s.hidden,)
    yield "transformer.encoder.final_layernorm.weight", (s.hidden,)
    yield "transformer.output_layer.weight", (s.vocabulary, s.hidden)


def _frame(config: Mapping[str, Any], s: Sizes) -> Shapes:
    """Embeddings, norms and head, named as in transformers."""
    yield "model.embed_tokens.weight", (s.vocabulary, s.hidden)
    for i in s.layers:
        yield f"model.layers.{i}.input_layernorm.weight", (s.hidden,)
        yield f"model.layers.{i}.post_attention_layernorm.weight", (s.hidden,)
    yield "model.norm.weight", (s.hidden,)
    if not config.get("tie_word_embeddings"):
        yield "lm_head.weight", (s.vocabulary, s.hidden)


def _linear(name: str, rows: int, columns: int, bias: bool) -> Shapes:
    yield f"{name}.weight", (rows, columns)
    if bias:
        yield f"{name}.bias", (rows,)


_SHAPES: dict[str, Callable[[Mapping[str, Any]], Shapes]] = {
    "InternLM2ForCausalLM": _internlm2,
    "LlamaForCausalLM": _llama,
    "Qwen2ForCausalLM": _qwen2,
    QWEN: _qwen,
    "Phi3ForCausalLM": _phi3,
    "ChatGLMModel": _chatglm,
    "ChatGLMForConditionalGeneration": _chatglm,
}


def language_shapes(config: Mapping[str, Any]) -> dict[str, Shape]:
    """Every weight that the language model of a text configuration reads, with its shape.

    :raises EngineOptionError: an architecture that this engine does not carry.
    """
    architecture = config["architectures"][0]
    if architecture not in _SHAPES:
        raise EngineOptionError(
            f"The language model {architecture} is not carried.", f"Use one of {', '.join(sorted(_SHAPES))}."
        )
    shapes = dict(_SHAPES[architecture](config))
    return shapes | dict(_low_rank(shapes, config.get(PARTIAL_LORA) or {}))


def _low_rank(shapes: Mapping[str, Shape], additions: Mapping[str, Mapping[str, Any]]) -> Shapes:
    """The matrices of low-rank additions, named as in the official XComposer2.5."""
    for name, shape in shapes.items():
        layer = name.removesuffix(".weight")
        addition = additions.get(layer.rpartition(".")[2])
        if addition is not None and is_matrix(name, shape):
            outputs, inputs = shape
            yield f"{layer}.Plora_A.weight", (addition["rank"], inputs)
            yield f"{layer}.Plora_B.weight", (outputs, addition["rank"])
