"""Whether lmdeploy's attention fits into the shared memory of a GPU; in float32 it often does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vlmplug.engine.compatibility import Needed, check_lmdeploy
from vlmplug.engine.settings import head_size
from vlmplug.errors import EngineOptionError

_KERNELS = "lmdeploy.pytorch.kernels.cuda.flashattention"

NEEDED = (
    Needed(_KERNELS, "_get_block_d", ("head_dim_k", "head_dim_v")),
    *(Needed(_KERNELS, f"_kernel_meta_{gpu}", ("BLOCK_DK", "shared_kv")) for gpu in ("sm8x", "sm86", "sm9x", "sm12x")),
)
"""All of lmdeploy that says how large its blocks are; looked at where there is a GPU, because it imports Triton."""

_FLOAT32_BYTES = 4
#: Up to the first size queries stay beside keys and values; above the second one not every stage does.
_SMALL_HEAD, _STAGED_HEAD = 64, 128


def check_attention_memory(text_config: Mapping[str, Any], dtype: str, device: str) -> None:
    """Refuses what Triton would fail on with "out of resource: shared memory", after all weights are loaded.

    :raises EngineOptionError: attention in float32 needs more shared memory than a block of this GPU may take.
    """
    if device != "cuda" or dtype != "float32":
        return
    gpu: Any = torch.cuda.get_device_properties(torch.cuda.current_device())
    head, room = head_size(text_config), int(gpu.shared_memory_per_block_optin)
    needed = prefill_bytes(head, (gpu.major, gpu.minor))
    if needed > room:
        raise EngineOptionError(
            f"In float32, attention with heads of {head} takes at least {needed:,} bytes of shared memory; "
            f"a block on the {gpu.name} has {room:,}.",
            "Use dtype bfloat16 or float16.",
        )


def prefill_bytes(head: int, capability: tuple[int, int]) -> int:
    """What a block of lmdeploy's prefill kernel takes in float32, at the least; 0: nothing is known.

    Sizes of blocks and numbers of stages are lmdeploy's (``flash_attn_varlen_func`` of ``flashattention.py``). What
    Triton keeps of them was found by compiling that kernel for capabilities 8.0 to 12.0 with Triton 3.7: keys and
    values of each stage, and the queries of small heads. With heads of 128 on Hopper that is
    3 x 128 x (128 + 128) x 4 = 393216, as the error of the kernel itself says; heads of 32 take a quarter more. Older
    GPUs have no stages.
    """
    if capability < (8, 0):
        return 0
    check_lmdeploy(NEEDED)
    from lmdeploy.pytorch.kernels.cuda.flashattention import _get_block_d

    keys, rest, values = _get_block_d(head, head)
    queries, tokens, _, stages = _blocks(keys, capability)
    tile = tokens * (keys + rest + values)
    kept = tile * (stages if head <= _STAGED_HEAD else 1)
    loaded = 0 if _SMALL_HEAD < head <= _STAGED_HEAD else min(queries, 128) * keys
    return int(kept + loaded) * _FLOAT32_BYTES


def _blocks(keys: int, capability: tuple[int, int]) -> tuple[int, int, int, int]:
    """Queries and tokens of a block, warps, and stages, chosen as `flash_attn_varlen_func` chooses."""
    from lmdeploy.pytorch.kernels.cuda import flashattention

    if capability >= (10, 0):
        chosen = flashattention._kernel_meta_sm12x
    elif capability >= (9, 0):
        chosen = flashattention._kernel_meta_sm9x
    else:
        chosen = flashattention._kernel_meta_sm86 if capability[1] in (6, 9) else flashattention._kernel_meta_sm8x
    blocks: tuple[int, int, int, int] = chosen(keys, False)
    return blocks
