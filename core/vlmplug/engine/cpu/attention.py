"""Attention in plain PyTorch: over the paged cache for language models, over ragged batches for vision towers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lmdeploy.pytorch.backends.attention import AttentionImpl, PagedAttentionBuildSpec
from lmdeploy.pytorch.backends.flash_attention import FlashAttentionBuildSpec, FlashAttentionImpl

from vlmplug.engine.cpu.metadata import CpuAttentionMetadata, PaddedBatch
from vlmplug.errors import EngineOptionError


@dataclass(frozen=True)
class AttentionRule:
    """How scores are made and which keys a query sees.

    :param scale: factor of the scores.
    :param causal: a query sees keys up to its own position only.
    :param window: number of keys that a query sees, itself included; None: all.
    :param softcap: scores become ``softcap * tanh(score / softcap)``; None: they stay.
    """

    scale: float
    causal: bool = True
    window: int | None = None
    softcap: float | None = None

    @classmethod
    def from_spec(cls, spec: Any) -> AttentionRule:
        """The rule of lmdeploy's build specification, paged or not."""
        window = spec.sliding_window[0] if isinstance(spec.sliding_window, (tuple, list)) else spec.sliding_window
        return cls(
            scale=spec.head_dim**-0.5 if spec.scale is None else spec.scale,
            causal=spec.causal,
            window=window if window is not None and window > 0 else None,
            softcap=spec.logit_softcapping if spec.logit_softcapping and spec.logit_softcapping > 0 else None,
        )


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: AttentionRule) -> torch.Tensor:
    """Attention of one sequence whose last queries and keys are the same tokens.

    :param query: ``[queries, heads, width]``.
    :param key: ``[keys, key heads, width]``; the key heads divide the heads.
    :param value: ``[keys, key heads, value width]``.
    :returns: ``[queries, heads, value width]`` in the query's dtype.
    """
    queries, keys = len(query), len(key)
    q, k, v = (t.transpose(0, 1).unsqueeze(0) for t in (query, key, value))
    if rule.softcap is not None:
        return _capped(q, k, v, rule, _visible(queries, keys, rule))[0].transpose(0, 1)
    mask, is_causal = None, False
    if rule.window is not None and rule.window < keys:
        mask = _visible(queries, keys, rule)
    elif rule.causal and queries > 1:
        is_causal = queries == keys
        mask = None if is_causal else _visible(queries, keys, rule)
    if queries == 1:
        return _one_query(query, k, v, mask, rule.scale)
    grouped = query.size(1) != key.size(1)
    out = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=is_causal, scale=rule.scale, enable_gqa=grouped
    )
    return out[0].transpose(0, 1)


def _visible(queries: int, keys: int, rule: AttentionRule) -> torch.Tensor:
    """Which keys each query sees, bool ``[queries, keys]``."""
    own = torch.arange(keys - queries, keys).unsqueeze(1)
    other = torch.arange(keys).unsqueeze(0)
    seen = torch.ones(queries, keys, dtype=torch.bool)
    if rule.causal:
        seen &= other <= own
    if rule.window is not None:
        seen &= other > own - rule.window
    return seen


def _one_query(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float
) -> torch.Tensor:
    """One query a sequence: heads that share keys become the query axis, so that no key is copied.

    ``[batch, heads, width]`` over ``[batch, key heads, keys, width]`` gives ``[batch, heads, value width]``.
    """
    grouped = query.reshape(len(query), key.size(1), -1, query.size(-1))
    return F.scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scale).flatten(1, 2)


def _capped(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rule: AttentionRule, seen: torch.Tensor) -> torch.Tensor:
    groups = q.size(1) // k.size(1)
    k, v = (t.repeat_interleave(groups, dim=1) for t in (k, v))
    scores = q.float() @ k.float().transpose(-1, -2) * rule.scale
    cap = rule.softcap or 1.0
    scores = (torch.tanh(scores / cap) * cap).masked_fill(~seen, float("-inf"))
    return (scores.softmax(-1) @ v.float()).to(q.dtype)


class CpuAttention(AttentionImpl[CpuAttentionMetadata]):  # type: ignore[misc]
    """Paged attention: writes new keys and values into the cache, then attends over each sequence's blocks.

    :raises EngineOptionError: the model needs an attention that the CPU device does not offer.
    """

    def __init__(self, spec: PagedAttentionBuildSpec) -> None:
        _require_plain(spec)
        super().__init__(
            num_heads=spec.num_heads,
            head_size=spec.head_dim,
            scale=spec.scale,
            num_kv_heads=spec.num_kv_heads,
            v_head_size=spec.v_head_dim,
            sliding_window=spec.sliding_window,
            logit_softcapping=spec.logit_softcapping,
            causal=spec.causal,
        )
        self.rule = AttentionRule.from_spec(spec)
        self._sees_all = self.rule.window is None and self.rule.softcap is None

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        k_cache: torch.Tensor,
        v_cache: torch.Tensor,
        attn_metadata: CpuAttentionMetadata,
        k_scales_zeros: torch.Tensor | None = None,
        v_scales_zeros: torch.Tensor | None = None,
        learnable_sink: torch.Tensor | None = None,
        nsa_indices: torch.Tensor | None = None,
        inplace: bool = False,
    ) -> torch.Tensor:
        """Attention of a flattened batch; the signature is lmdeploy's.

        :param query: ``[..., heads, width]`` with all new tokens of the batch in the leading axes; ``key`` and
            ``value`` likewise with key heads.
        :param k_cache: ``[blocks, block size, key heads, width]``, ``v_cache`` likewise.
        """
        q, k, v = (t if t.dim() == 3 else t.reshape(-1, t.size(-2), t.size(-1)) for t in (query, key, value))
        place = attn_metadata.fill_blocks, attn_metadata.fill_offsets
        k_cache.index_put_(place, k.to(k_cache.dtype))
        v_cache.index_put_(place, v.to(v_cache.dtype))
        if self._sees_all and attn_metadata.is_one_token:
            out = self._alone(q, k_cache, v_cache, attn_metadata)
        elif self._sees_all and attn_metadata.padded is not None:
            out = self._padded(q, k_cache, v_cache, attn_metadata.padded)
        else:
            out = self._one_by_one(q, k_cache, v_cache, attn_metadata)
        return out if query.dim() == 3 else out.reshape(*query.shape[:-1], out.size(-1))

    def _alone(
        self, query: torch.Tensor, k_cache: torch.Tensor, v_cache: torch.Tensor, metadata: CpuAttentionMetadata
    ) -> torch.Tensor:
        """What `_one_by_one` does, for the commonest case: one sequence that decodes."""
        blocks, length = metadata.blocks[0], metadata.key_lengths[0]
        # index_select copies whole blocks, several times faster than indexing does
        gathered = (cache.index_select(0, blocks).flatten(0, 1)[:length] for cache in (k_cache, v_cache))
        k, v = (t.to(query.dtype).transpose(0, 1).unsqueeze(0) for t in gathered)
        return _one_query(query, k, v, None, self.rule.scale)

    def _padded(
        self, query: torch.Tensor, k_cache: torch.Tensor, v_cache: torch.Tensor, batch: PaddedBatch
    ) -> torch.Tensor:
        k, v = (_padded_rows(cache, batch).to(query.dtype).transpose(1, 2) for cache in (k_cache, v_cache))
        return _one_query(query, k, v, batch.mask, self.rule.scale)

    def _one_by_one(
        self, query: torch.Tensor, k_cache: torch.Tensor, v_cache: torch.Tensor, metadata: CpuAttentionMetadata
    ) -> torch.Tensor:
        outputs = []
        queries = query.split(metadata.query_lengths)
        for q, blocks, length in zip(queries, metadata.blocks, metadata.key_lengths, strict=True):
            gathered = (cache.index_select(0, blocks).flatten(0, 1) for cache in (k_cache, v_cache))
            k, v = (t[:length].to(q.dtype) for t in gathered)
            outputs.append(attend(q, k, v, self.rule))
        return torch.cat(outputs)


def _padded_rows(cache: torch.Tensor, batch: PaddedBatch) -> torch.Tensor:
    """What a cache holds for a padded batch, ``[sequences, longest, key heads, width]``; zero where nobody attends.

    Masked weights are 0, but 0 * NaN of somebody else's old block would still be NaN.
    """
    rows = cache.index_select(0, batch.blocks.flatten()).flatten(0, 1).index_fill_(0, batch.beyond, 0)
    return rows.view(len(batch.blocks), -1, *rows.shape[1:])


def _require_plain(spec: PagedAttentionBuildSpec) -> None:
    for wanted, name in (
        (spec.alibi, "ALiBi"),
        (spec.use_flash_mla, "multi-head latent attention"),
        (spec.mla_index_topk is not None, "sparse attention"),
        (spec.learnable_sink, "attention sinks"),
        (spec.block_sparse_size != 1, "block-sparse attention"),
    ):
        if wanted:
            raise EngineOptionError(f"device=cpu does not offer {name}, which this model needs.", 'Use device="cuda".')


class CpuFlashAttention(FlashAttentionImpl):  # type: ignore[misc]
    """Attention without a cache, over sequences that lie one behind the other: vision towers."""

    def __init__(self, spec: FlashAttentionBuildSpec) -> None:
        self.rule = AttentionRule.from_spec(spec)

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        q_start_loc: torch.Tensor,
        q_seqlens: torch.Tensor,
        kv_start_loc: torch.Tensor,
        kv_seqlens: torch.Tensor,
        max_q_seqlen: int | None = None,
    ) -> torch.Tensor:
        """Attention of a flattened batch; the signature is lmdeploy's.

        :param query: ``[..., heads, width]``; ``q_start_loc`` and ``q_seqlens`` ``[sequences]`` cut its leading axes
            into sequences; the same for ``key`` and ``value``.
        """
        q, k, v = (t.reshape(-1, t.size(-2), t.size(-1)) for t in (query, key, value))
        out = q.new_zeros(len(q), q.size(1), v.size(-1))
        for start, count, first, length in zip(
            q_start_loc.tolist(), q_seqlens.tolist(), kv_start_loc.tolist(), kv_seqlens.tolist(), strict=True
        ):
            keys = slice(first, first + length)
            out[start : start + count] = attend(q[start : start + count], k[keys], v[keys], self.rule)
        return out.reshape(*query.shape[:-1], v.size(-1))
