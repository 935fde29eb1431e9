"""4-bit AWQ: the tensors that a quantised language model has instead of its matrices, and what can run them.

A linear layer of the decoder, ``weight`` [out, in] elsewhere, is stored as

- ``qweight`` int32 [in, out / 8] and ``qzeros`` int32 [in / group, out / 8]: eight 4-bit numbers in each, from the
  lowest bits up those of columns 0, 2, 4, 6, 1, 3, 5 and 7 of the eight;
- ``scales`` float16 [in / group, out];

and means ``(q - zero) * scale``, transposed. Biases, embeddings, output layer and norms are stored as they are. Source:
``WeightOnlyQLinear.from_linear`` of lmdeploy 0.18, which wrote the official files, and ``create_weights`` of its
``AwqLinear``, which reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vlmplug.engine.language_shapes import PARTIAL_LORA, QWEN, Shape, Sizes, is_matrix, language_shapes
from vlmplug.errors import EngineOptionError, WeightsError
from vlmplug.quantisation import QUANTISATION

#: 4-bit numbers in one int32.
PER_INT = 8
_PACKED = (".qweight", ".qzeros")
_OUTPUT_BIASES = (".wo.bias", ".o_proj.bias")
#: Architectures whose packed files nobody has published, so that none could be tried.
_UNTRIED = ("ChatGLMModel", "ChatGLMForConditionalGeneration", QWEN)


def is_packed(name: str) -> bool:
    """Whether a tensor of that name holds packed numbers, which are int32."""
    return name.endswith(_PACKED)


def stored_shapes(text_config: Mapping[str, Any]) -> dict[str, Shape]:
    """Every tensor that the files hold for a language model, with its shape; packed ones where it is quantised.

    :raises EngineOptionError: an architecture that this engine does not carry.
    """
    shapes = language_shapes(text_config)
    group = group_size(text_config)
    if group is None:
        return shapes
    packed: dict[str, Shape] = {}
    for name, shape in shapes.items():
        packed.update(_packed(name, shape, group) if is_matrix(name, shape) else {name: shape})
    return packed


def group_size(text_config: Mapping[str, Any]) -> int | None:
    """Weights that share a scale and a zero; None: the language model is not quantised."""
    quantisation = text_config.get(QUANTISATION)
    return None if quantisation is None else int(quantisation["group_size"])


def awq_obstacle(text_config: Mapping[str, Any], group: int, tp: int = 1) -> str:
    """What keeps lmdeploy from holding a language model in groups of that size on ``tp`` ranks; empty: nothing.

    Its ranks get whole groups, both of a matrix's inputs and of the outputs of matrices that it merges.
    """
    if set(_UNTRIED) & set(text_config.get("architectures", ())):
        return "ChatGLM is not carried in AWQ"
    if text_config.get(PARTIAL_LORA):
        return "low-rank additions at media positions are not carried in AWQ"
    sizes = Sizes(text_config)
    kept = min(tp, sizes.key_value_heads)  # further ranks get copies of a head
    shares = {
        "the hidden size": (sizes.hidden, 1),
        "the inner size": (sizes.inner, tp),
        "the size of all query heads": (sizes.query, tp),
        "the size of all key heads": (sizes.key_value, kept),
    }
    for name, (size, ranks) in shares.items():
        if size % (group * ranks):
            among = f" cannot be shared by {ranks}" if ranks > 1 else " is not made"
            return f"{name}, {size},{among} of whole AWQ groups of {group}"
    if tp > 2 and any(name.endswith(_OUTPUT_BIASES) for name in language_shapes(text_config)):
        return "lmdeploy adds the bias of AWQ output layers once a rank, from the second on"
    return ""


def check_awq(text_config: Mapping[str, Any], device: str, dtype: str) -> None:
    """Checks that lmdeploy can run a language model, if it is quantised.

    :param dtype: of activations.
    :raises WeightsError: its sizes are no whole groups, or parts of it are not quantised.
    :raises EngineOptionError: a data type that the kernels of a GPU do not multiply in.
    """
    group = group_size(text_config)
    if group is None:
        return
    if device == "cuda" and dtype != "float16":
        raise EngineOptionError(
            f"dtype is {dtype}, and AWQ weights are multiplied in float16 on a GPU.", 'Use dtype "float16" or "auto".'
        )
    if obstacle := awq_obstacle(text_config, group):
        raise WeightsError(f"The checkpoint cannot be run: {obstacle}.", "Use the unquantised checkpoint.")
    if (kept := next(_unconverted(text_config), None)) is not None:
        raise WeightsError(
            f"The checkpoint leaves {kept} unquantised, and lmdeploy takes all layers of a language model or none.",
            "Use a checkpoint whose layers are all quantised, or the unquantised one.",
        )


def _unconverted(text_config: Mapping[str, Any]) -> Iterator[str]:
    """Layers of the decoder that ``modules_to_not_convert`` means; it may name whole modules or parts of names."""
    patterns = text_config[QUANTISATION].get("modules_to_not_convert", ())
    for name, shape in language_shapes(text_config).items():
        layer = name.removesuffix(".weight")
        if is_matrix(name, shape) and any(pattern in layer or layer in pattern for pattern in patterns):
            yield layer


def _packed(name: str, shape: Shape, group: int) -> dict[str, Shape]:
    (outputs, inputs), layer = shape, name.removesuffix(".weight")
    return {
        f"{layer}.qweight": (inputs, outputs // PER_INT),
        f"{layer}.qzeros": (inputs // group, outputs // PER_INT),
        f"{layer}.scales": (inputs // group, outputs),
    }
