"""Checkpoints that hold queries, keys and values of a layer in one matrix, for language models that want three."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from vlmplug.engine.language_shapes import FUSED_QKV, Sizes

_FUSED = ".qkv_proj."


def separated(weights: Iterable[tuple[str, Tensor]], text_config: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The same weights with ``q_proj``, ``k_proj`` and ``v_proj`` in the place of ``qkv_proj``.

    The rows of all queries come first, then those of all keys, then those of all values. Models whose configuration
    does not say that their checkpoint is made so (`FUSED_QKV`) keep what they have.
    """
    if not text_config.get(FUSED_QKV):
        yield from weights
        return
    sizes = Sizes(text_config)
    rows = (sizes.query, sizes.key_value, sizes.key_value)
    for name, tensor in weights:
        if _FUSED not in name:
            yield name, tensor
            continue
        for part, piece in zip("qkv", tensor.split(rows), strict=True):
            yield name.replace(_FUSED, f".{part}_proj."), piece
