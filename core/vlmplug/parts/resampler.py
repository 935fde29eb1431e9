"""Learned queries that read a picture's patches: as many rows for any picture, however many patches it has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ResamplerSizes:
    """Numbers of a resampler: ``width`` of the patches, ``hidden`` of the queries and of what comes out."""

    queries: int
    width: int
    hidden: int
    heads: int
    eps: float = 1e-6


class Resampler(nn.Module):
    """One cross attention under the parameter names of Qwen-VL's ``Resampler``, which MiniCPM-V took over.

    Positions are added to queries and keys, never to values; where they come from is the family's business.
    """

    def __init__(self, sizes: ResamplerSizes) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(sizes.queries, sizes.hidden))
        same = sizes.width == sizes.hidden
        self.kv_proj = nn.Identity() if same else nn.Linear(sizes.width, sizes.hidden, bias=False)
        self.attn = nn.MultiheadAttention(sizes.hidden, sizes.heads, batch_first=True)
        self.ln_q, self.ln_kv = (nn.LayerNorm(sizes.hidden, sizes.eps) for _ in range(2))

    def attend(self, patches: Tensor, keys: Tensor, queries: Tensor | None = None) -> Tensor:
        """What the queries find.

        :param patches: [n, patches, width], all of them of one size.
        :param keys: positions of the patches, [patches, hidden]. ``queries``: those of the queries, [queries, hidden].
        :return: [n, queries, hidden].
        """
        values = self.ln_kv(self.kv_proj(patches))
        asked = self.ln_q(self.query)
        asked = asked if queries is None else asked + queries.to(asked.dtype)
        asked = asked.expand(len(patches), -1, -1)
        found: Tensor = self.attn(asked, values + keys.to(values.dtype), values, need_weights=False)[0]
        return found
