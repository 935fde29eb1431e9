"""Rotary position tables in plain PyTorch.

lmdeploy's own implementations compile their last step with ``torch.compile`` at the first call, which on a CPU takes
long and needs a compiler. Here lmdeploy still works out the frequencies of each kind of scaling; the tables are made
by a plain function.
"""

from __future__ import annotations

from typing import Any

import torch
from lmdeploy.pytorch.backends.default import rotary_embedding as default
from lmdeploy.pytorch.backends.rotary_embedding import RotaryEmbeddingBuildSpec
from torch import nn

Tables = tuple[torch.Tensor, torch.Tensor]


def build_rotary(spec: RotaryEmbeddingBuildSpec) -> nn.Module:
    """The rotary module of a build specification; ``forward(x, position_ids)`` gives cosines and sines."""
    frequencies: Any = default._build_rotary_embedding(spec)
    if isinstance(frequencies, default.LongRoPEScalingRotaryEmbeddingImpl):
        return LongRotary(frequencies)
    if isinstance(frequencies, default.LlamaDynamicNTKScalingRotaryEmbedding):
        return DynamicRotary(frequencies)
    if isinstance(frequencies, default.FopeRotaryEmbeddingImpl):
        own: nn.Module = frequencies  # never compiled
        return own
    return FixedRotary(frequencies)


def rotary_tables(
    position_ids: torch.Tensor, frequencies: torch.Tensor, scale: torch.Tensor | float, dtype: torch.dtype
) -> Tables:
    """Cosines and sines ``[..., tokens, width]`` of positions ``[..., tokens]``.

    :param frequencies: float32, ``[width / 2]`` or one row a token.
    :param scale: factor of both tables.
    """
    angles = position_ids.unsqueeze(-1).float() * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return (angles.cos() * scale).to(dtype), (angles.sin() * scale).to(dtype)


class FixedRotary(nn.Module):
    """Frequencies that do not depend on the length: plain, linear, Llama 3 and YaRN scaling."""

    inv_freq: torch.Tensor

    def __init__(self, source: Any) -> None:
        super().__init__()
        divisor = 1.0 if isinstance(source, default.YarnRotaryEmbeddingImpl) else source.scaling_factor
        self.register_buffer("inv_freq", source.inv_freq / divisor, persistent=False)
        self.scaling_factor = 1.0  # read by lmdeploy's multimodal wrapper, as is mscale
        self.mscale = getattr(source, "mscale", None)

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> Tables:
        """Tables in the dtype of ``x``."""
        return rotary_tables(position_ids, self.inv_freq, 1.0 if self.mscale is None else self.mscale, x.dtype)


class DynamicRotary(nn.Module):
    """Dynamic NTK scaling: the base grows with the longest sequence of the batch (lmdeploy's rule on every device)."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source: Any = source

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> Tables:
        """Tables in the dtype of ``x``."""
        length = position_ids.max() + 1
        longer = bool(length > self.source.max_position_embeddings)
        frequencies = self.source._ntk_inv_freq(length) if longer else self.source.inv_freq
        return rotary_tables(position_ids, frequencies, 1.0, x.dtype)


class LongRotary(nn.Module):
    """LongRoPE: short or long factors by the longest sequence of the batch (lmdeploy's rule on every device).

    ``vlmplug.engine.rope`` replaces it by a rule for each sequence.
    """

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source: Any = source

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> Tables:
        """Tables in the dtype of ``x``."""
        source = self.source
        longer = bool(position_ids.max() + 1 > source.original_max_position_embeddings)
        scale = source.mscale
        if scale is None:
            scale = source.long_mscale if longer else source.short_mscale
        factors = source.long_factor if longer else source.short_factor
        return rotary_tables(position_ids, source.inv_freq / factors, scale, x.dtype)
