"""Drawing tokens so that a request with a seed gives the same tokens whatever it is batched with.

The random number of a token is a pure function of the request's seed and the token's position: no generator keeps
state between steps or between requests.
"""

from __future__ import annotations

import torch
from lmdeploy.pytorch.backends.multinomial_sampling import MultinomialSamplingImpl

_WORD = (1 << 64) - 1


def uniform(seed: int, offset: int) -> float:
    """A number in [0, 1) with 32 random bits, determined by seed and offset.

    Two rounds of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    """
    return (_mix(_mix(seed & _WORD) ^ (offset & _WORD)) >> 32) / (1 << 32)


def _mix(word: int) -> int:
    word = (word + 0x9E3779B97F4A7C15) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)


class CpuMultinomialSampling(MultinomialSamplingImpl):  # type: ignore[misc]
    """Inverse transform sampling, one row a request."""

    def forward(
        self,
        scores: torch.Tensor,
        seeds: torch.Tensor,
        offsets: torch.Tensor,
        indices: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Draw one column of each row; the signature is lmdeploy's.

        :param scores: ``[requests, choices]`` probabilities; rows need not add up to 1.
        :param seeds: int64 ``[requests]``; ``offsets`` likewise, the position of the token to draw.
        :param indices: int64 ``[requests, choices]`` token ids of the columns; None: the columns themselves.
        :returns: int64 ``[requests]``.
        """
        # double precision: with 32 random bits the draw stays below the last sum, so no token of weight 0 is drawn
        sums = scores.double().cumsum(1)
        draws = [uniform(seed, offset) for seed, offset in zip(seeds.tolist(), offsets.tolist(), strict=True)]
        goals = torch.tensor(draws, dtype=torch.double).unsqueeze(1) * sums[:, -1:]
        columns = torch.searchsorted(sums, goals, right=True).clamp_(max=scores.size(1) - 1)
        return columns.view(-1) if indices is None else indices.gather(1, columns).view(-1)
