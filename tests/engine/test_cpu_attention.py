"""Attention on the CPU against a definition that is written out number by number."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lmdeploy.pytorch.backends.attention import PagedAttentionBuildSpec
from lmdeploy.pytorch.backends.flash_attention import FlashAttentionBuildSpec

from vlmplug.engine.cpu.attention import AttentionRule, CpuAttention, CpuFlashAttention, attend
from vlmplug.engine.cpu.metadata import build_metadata
from vlmplug.errors import EngineOptionError

BLOCK = 16
WIDTH = 8

RULES = [
    AttentionRule(scale=0.3),
    AttentionRule(scale=0.3, causal=False),
    AttentionRule(scale=0.3, window=5),
    AttentionRule(scale=0.3, window=1),
    AttentionRule(scale=0.3, window=1000),
    AttentionRule(scale=0.3, softcap=0.7),
    AttentionRule(scale=0.3, window=5, softcap=0.7),
]


def by_definition(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: AttentionRule) -> torch.Tensor:
    """The weighted mean of values, one query and one head at a time."""
    heads, group = query.size(1), query.size(1) // key.size(1)
    out = torch.zeros(len(query), heads, value.size(2))
    for i in range(len(query)):
        own = len(key) - len(query) + i
        seen = [
            j
            for j in range(len(key))
            if (not rule.causal or j <= own) and (rule.window is None or j > own - rule.window)
        ]
        for head in range(heads):
            scores = [float(query[i, head] @ key[j, head // group]) * rule.scale for j in seen]
            if rule.softcap is not None:
                scores = [rule.softcap * math.tanh(score / rule.softcap) for score in scores]
            weights = [math.exp(score - max(scores)) for score in scores]
            for j, weight in zip(seen, weights, strict=True):
                out[i, head] += value[j, head // group] * weight / sum(weights)
    return out


def tensors(queries: int, keys: int, heads: int, key_heads: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((queries, heads, WIDTH), (keys, key_heads, WIDTH), (keys, key_heads, WIDTH))
    return tuple(torch.randn(shape, generator=generator) * 2 for shape in shapes)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 9), (7, 7), (3, 10)])
@pytest.mark.parametrize(("heads", "key_heads"), [(4, 4), (4, 2), (3, 1)])
def test_attend(rule: AttentionRule, queries: int, keys: int, heads: int, key_heads: int) -> None:
    q, k, v = tensors(queries, keys, heads, key_heads)
    torch.testing.assert_close(attend(q, k, v, rule), by_definition(q, k, v, rule))


def paged(heads: int = 4, key_heads: int = 2, **changes: Any) -> CpuAttention:
    fields: dict[str, Any] = dict(
        num_heads=heads,
        head_dim=WIDTH,
        scale=None,
        num_kv_heads=key_heads,
        v_head_dim=WIDTH,
        alibi=False,
        sliding_window=None,
        logit_softcapping=0.0,
        causal=True,
        use_flash_mla=False,
        mla_index_topk=None,
        learnable_sink=False,
        block_sparse_size=1,
    )
    return CpuAttention(PagedAttentionBuildSpec(**{**fields, **changes}))


class Cache:
    """A paged cache of shuffled blocks that is full of somebody's NaN, and the sequences in it."""

    def __init__(self, lengths: list[int], seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.lengths, self.needed = lengths, [-(-length // BLOCK) for length in lengths]
        blocks = torch.randperm(sum(self.needed) + 3, generator=self.generator)
        self.table = torch.zeros(len(lengths), max(self.needed), dtype=torch.long)
        for i, own in enumerate(blocks[: sum(self.needed)].split(self.needed)):
            self.table[i, : len(own)] = own
        self.keys, self.values = torch.full((2, len(blocks), BLOCK, 2, WIDTH), float("nan"))
        self.all = [tensors(length, length, 4, 2, seed + i) for i, length in enumerate(lengths)]

    def step(self, attention: CpuAttention, query_lengths: list[int], key_lengths: list[int]) -> torch.Tensor:
        context = SimpleNamespace(
            block_offsets=self.table,
            q_seqlens=torch.tensor(query_lengths),
            kv_seqlens=torch.tensor(key_lengths),
            q_start_loc=None,
            is_decoding=all(count == 1 for count in query_lengths),
            kv_quant_policy=0,
            cache_config=SimpleNamespace(kernel_block_size=BLOCK),
        )
        spans = [slice(k - q, k) for q, k in zip(query_lengths, key_lengths, strict=True)]
        q, k, v = (
            torch.cat([sequence[part][span] for sequence, span in zip(self.all, spans, strict=True)])
            for part in range(3)
        )
        return attention.forward(q, k, v, self.keys, self.values, build_metadata(context))

    def expected(self, rule: AttentionRule, query_lengths: list[int], key_lengths: list[int]) -> torch.Tensor:
        rows = [
            by_definition(q[:keys], k[:keys], v[:keys], rule)[keys - queries :]
            for (q, k, v), queries, keys in zip(self.all, query_lengths, key_lengths, strict=True)
        ]
        return torch.cat(rows)


@settings(max_examples=25, deadline=None)
@given(
    prompts=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    first_chunk=st.integers(1, 40),
    window=st.sampled_from([None, 6]),
    seed=st.integers(0, 1000),
)
def test_prefill_in_two_parts_and_decoding(prompts: list[int], first_chunk: int, window: int | None, seed: int) -> None:
    attention = paged(sliding_window=window)
    cache = Cache([length + 2 for length in prompts], seed)
    firsts = [min(first_chunk, length) for length in prompts]
    steps = [(firsts, firsts)]
    if firsts != prompts and all(first < length for first, length in zip(firsts, prompts, strict=True)):
        steps.append(([length - first for length, first in zip(prompts, firsts, strict=True)], prompts))
    elif firsts != prompts:
        steps = [(prompts, prompts)]
    steps += [([1] * len(prompts), [length + more for length in prompts]) for more in (1, 2)]
    for queries, keys in steps:
        out = cache.step(attention, queries, keys)
        torch.testing.assert_close(out, cache.expected(attention.rule, queries, keys), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("lengths", "padded"), [([5, 30, 17], True), ([1, 200, 1, 1, 1], False), ([9], False)])
def test_one_long_sequence_is_not_padded_for(lengths: list[int], padded: bool) -> None:
    cache, attention = Cache(lengths, seed=1), paged()
    cache.step(attention, lengths, lengths)
    ones = [1] * len(lengths)
    out = cache.step(attention, ones, lengths)
    torch.testing.assert_close(out, cache.expected(attention.rule, ones, lengths), atol=1e-5, rtol=1e-4)
    context = SimpleNamespace(
        block_offsets=cache.table,
        q_seqlens=torch.tensor(ones),
        kv_seqlens=torch.tensor(lengths),
        q_start_loc=None,
        is_decoding=True,
        kv_quant_policy=0,
        cache_config=SimpleNamespace(kernel_block_size=BLOCK),
    )
    assert (build_metadata(context).padded is not None) is padded


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"alibi": True}, "ALiBi"),
        ({"use_flash_mla": True}, "latent"),
        ({"mla_index_topk": 4}, "sparse"),
        ({"learnable_sink": True}, "sinks"),
        ({"block_sparse_size": 4}, "block-sparse"),
    ],
)
def test_what_is_not_offered_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(EngineOptionError, match=named):
        paged(**changes)


@pytest.mark.parametrize("causal", [True, False])
def test_ragged_batches_of_a_tower(causal: bool) -> None:
    spec = FlashAttentionBuildSpec(
        num_heads=4,
        head_dim=WIDTH,
        scale=None,
        num_kv_heads=2,
        v_head_dim=WIDTH,
        causal=causal,
        sliding_window=None,
        logit_softcapping=0.0,
    )
    lengths = [3, 1, 8]
    parts = [tensors(length, length, 4, 2, seed=i) for i, length in enumerate(lengths)]
    q, k, v = (torch.cat(tensor) for tensor in zip(*parts, strict=True))
    starts, counts = torch.tensor([0, 3, 4]), torch.tensor(lengths)
    out = CpuFlashAttention(spec).forward(q, k, v, starts, counts, starts, counts)
    rule = AttentionRule(scale=WIDTH**-0.5, causal=causal)
    torch.testing.assert_close(out, torch.cat([by_definition(*part, rule) for part in parts]))
