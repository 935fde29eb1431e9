"""Where the keys and values of a batch lie in the paged cache: computed once per forward, shared by all layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from lmdeploy.pytorch.backends.attention import AttentionMetadata

_MOST_PADDING = 4
"""A decoding batch is padded to its longest sequence only while that multiplies the work by less than this."""


@dataclass(frozen=True)
class PaddedBatch:
    """A decoding batch whose sequences are all as long as the longest of them.

    ``blocks`` ``[sequences, blocks]``, ``mask`` ``[sequences, 1, 1, blocks * block size]`` (True: attend), and
    ``beyond``, int64, the flat indices of what nobody attends to.
    """

    blocks: torch.Tensor
    mask: torch.Tensor
    beyond: torch.Tensor


@dataclass
class CpuAttentionMetadata(AttentionMetadata):  # type: ignore[misc]
    """lmdeploy's attention metadata with what paged attention on the CPU needs.

    ``fill_blocks`` and ``fill_offsets`` are int64 ``[new tokens]``: the place of each new token in the cache.
    ``query_lengths`` and ``key_lengths`` are the lengths of each sequence; ``blocks`` the int64 cache blocks of each,
    in order. ``padded`` is set where a decoding batch is worth one padded call.
    """

    fill_blocks: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))
    fill_offsets: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))
    query_lengths: list[int] = field(default_factory=list)
    key_lengths: list[int] = field(default_factory=list)
    blocks: list[torch.Tensor] = field(default_factory=list)
    padded: PaddedBatch | None = None

    @property
    def is_one_token(self) -> bool:
        """Whether there is one sequence with one new token."""
        return self.query_lengths == [1]


def build_metadata(context: Any) -> CpuAttentionMetadata:
    """Metadata of one forward.

    :param context: lmdeploy's ``StepContext``; its ``block_offsets`` are ``[sequences, blocks]``, ``q_seqlens`` and
        ``kv_seqlens`` ``[sequences]``, key lengths counting the new tokens.
    """
    block_size: int = context.cache_config.kernel_block_size
    table = context.block_offsets.long()
    query_lengths: list[int] = context.q_seqlens.tolist()
    key_lengths: list[int] = context.kv_seqlens.tolist()
    blocks = [table[i, : _blocks_for(length, block_size)] for i, length in enumerate(key_lengths)]
    metadata = CpuAttentionMetadata(
        is_decoding=context.is_decoding,
        block_offsets=context.block_offsets,
        q_start_loc=context.q_start_loc,
        q_seqlens=context.q_seqlens,
        kv_seqlens=context.kv_seqlens,
        quant_policy=context.kv_quant_policy,
        query_lengths=query_lengths,
        key_lengths=key_lengths,
        blocks=blocks,
    )
    if metadata.is_decoding and all(query == 1 for query in query_lengths):
        _locate_last_tokens(metadata, table, block_size)
    else:
        _locate_new_tokens(metadata, block_size)
    if _worth_padding(metadata):
        metadata.padded = _padded(key_lengths, table, block_size)
    return metadata


def _blocks_for(length: int, block_size: int) -> int:
    return -(-length // block_size)


def _locate_new_tokens(metadata: CpuAttentionMetadata, block_size: int) -> None:
    lengths = zip(metadata.query_lengths, metadata.key_lengths, strict=True)
    positions = [torch.arange(key - query, key) for query, key in lengths]
    metadata.fill_blocks = torch.cat([b[p // block_size] for b, p in zip(metadata.blocks, positions, strict=True)])
    metadata.fill_offsets = torch.cat(positions) % block_size


def _locate_last_tokens(metadata: CpuAttentionMetadata, table: torch.Tensor, block_size: int) -> None:
    """As `_locate_new_tokens`, for one new token in each sequence, in a few operators for all of them."""
    positions = metadata.kv_seqlens.long() - 1
    metadata.fill_blocks = table.gather(1, (positions // block_size).unsqueeze(1)).squeeze(1)
    metadata.fill_offsets = positions % block_size


def _worth_padding(metadata: CpuAttentionMetadata) -> bool:
    lengths = metadata.key_lengths
    one_token_each = len(lengths) > 1 and all(query == 1 for query in metadata.query_lengths)
    return one_token_each and max(lengths) * len(lengths) < _MOST_PADDING * sum(lengths)


def _padded(key_lengths: list[int], table: torch.Tensor, block_size: int) -> PaddedBatch:
    width = _blocks_for(max(key_lengths), block_size)
    mask = torch.arange(width * block_size) < torch.tensor(key_lengths).unsqueeze(1)
    return PaddedBatch(table[:, :width], mask[:, None, None, :], (~mask).flatten().nonzero().squeeze(1))
