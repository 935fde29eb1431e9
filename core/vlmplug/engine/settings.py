"""From our options to lmdeploy's configuration, with the memory checked before anything is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lmdeploy.messages import PytorchEngineConfig

from vlmplug.engine.awq import awq_obstacle, group_size
from vlmplug.engine.cpu.config import CpuEngineOptions, cpu_engine_config
from vlmplug.engine.device import free_memory
from vlmplug.engine.options import EngineOptions
from vlmplug.engine.weights import parameter_bytes
from vlmplug.errors import EngineMemoryError, EngineOptionError
from vlmplug.model import FamilyModel

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
GIB = 2**30
_CPU_BATCH, _GPU_BATCH = 16, 128
_CPU_BLOCK, _GPU_BLOCK = 16, 64


def session_length(model: FamilyModel, options: EngineOptions) -> int:
    """Tokens that a prompt and its answer may take together.

    :raises EngineOptionError: more than the model was trained for.
    """
    if options.session_length is None:
        return model.context_length
    if options.session_length > model.context_length:
        raise EngineOptionError(
            f"session_length is {options.session_length}, but {model.model_type} ends at "
            f"{model.context_length} tokens.",
            f"Use {model.context_length} or less (--max-length at the command line).",
        )
    return options.session_length


def engine_config(model: FamilyModel, options: EngineOptions, device: str, dtype: str) -> PytorchEngineConfig:
    """lmdeploy's configuration.

    :raises EngineOptionError: the model cannot be shared by that many ranks.
    :raises EngineMemoryError: the weights do not fit, or leave no room for a cache.
    """
    _check_ranks(model, options.tp)
    free = _free_after_weights(model, options, device, dtype)
    config = _cpu(model, options, dtype, free) if device == "cpu" else _cuda(model, options)
    config.dtype = dtype  # lmdeploy checks it in __post_init__ only, and does not know float32 there
    config.logprobs_mode = "raw_logits" if options.scheduler.logprobs_mode == "logits" else "raw_logprobs"
    return config


def _check_ranks(model: FamilyModel, tp: int) -> None:
    """Every rank takes as many attention heads, and whole key-value heads or a copy of one; of AWQ, whole groups."""
    heads = model.text_config["num_attention_heads"]
    groups = model.text_config.get("num_key_value_heads") or heads
    shares = (ranks for ranks in range(1, heads + 1) if heads % ranks == 0)
    possible = [ranks for ranks in shares if groups % ranks == 0 or ranks % groups == 0]
    if tp not in possible:
        raise EngineOptionError(
            f"tp is {tp}, but {model.model_type} has {heads} attention heads with {groups} keys and values to share.",
            f"Use one of {', '.join(map(str, possible))}.",
        )
    group = group_size(model.text_config)
    if group is not None and (obstacle := awq_obstacle(model.text_config, group, tp)):
        fitting = (ranks for ranks in possible if not awq_obstacle(model.text_config, group, ranks))
        raise EngineOptionError(f"tp is {tp}, but {obstacle}.", f"Use one of {', '.join(map(str, fitting))}.")


def _cuda(model: FamilyModel, options: EngineOptions) -> PytorchEngineConfig:
    scheduler = options.scheduler
    return PytorchEngineConfig(
        tp=options.tp,
        session_len=session_length(model, options),
        max_batch_size=scheduler.max_batch_size or _GPU_BATCH,
        cache_max_entry_count=options.cache_share,
        block_size=scheduler.block_size or _GPU_BLOCK,
        num_gpu_blocks=scheduler.kv_blocks or 0,
        max_prefill_token_num=scheduler.max_prefill_tokens,
        enable_prefix_caching=scheduler.prefix_caching,
        quant_policy=options.quant_policy,
        eager_mode=scheduler.eager,
        distributed_executor_backend="uni" if options.tp == 1 else "mp",  # `worker_executor` takes the latter's place
    )


def _cpu(model: FamilyModel, options: EngineOptions, dtype: str, free: int | None) -> PytorchEngineConfig:
    scheduler = options.scheduler
    batch, length = scheduler.max_batch_size or _CPU_BATCH, session_length(model, options)
    block = scheduler.block_size or _CPU_BLOCK
    # each sequence may end inside a block, and lmdeploy keeps two blocks back
    wanted = (batch * (length + block) + 2 * block) * cache_bytes_per_token(model.text_config, dtype)
    room = wanted if free is None else min(wanted, int(free * options.cache_share))
    _check_blocks(model, scheduler.kv_blocks or 0, block, dtype, free)
    return cpu_engine_config(
        CpuEngineOptions(
            kv_cache_bytes=room,
            dtype=dtype,  # type: ignore[arg-type]
            session_len=length,
            max_batch_size=batch,
            max_prefill_token_num=scheduler.max_prefill_tokens,
            block_size=block,
            num_blocks=scheduler.kv_blocks or 0,
            prefix_caching=scheduler.prefix_caching,
            threads=options.threads,
            tp=options.tp,
        )
    )


def _check_blocks(model: FamilyModel, blocks: int, size: int, dtype: str, free: int | None) -> None:
    needed = blocks * size * cache_bytes_per_token(model.text_config, dtype)
    if free is not None and needed > free:
        raise EngineMemoryError(
            f"kv_blocks is {blocks}, which takes {needed / GIB:.1f} GiB, and {free / GIB:.1f} GiB are free.",
            "Use fewer, or leave it out: cache_share (--cache-max-entry-count) then decides.",
        )


def cache_bytes_per_token(text_config: Mapping[str, Any], dtype: str) -> int:
    """Keys and values of one token in all layers."""
    groups = text_config.get("num_key_value_heads") or text_config["num_attention_heads"]
    return 2 * int(text_config["num_hidden_layers"] * groups * head_size(text_config)) * BYTES[dtype]


def head_size(text_config: Mapping[str, Any]) -> int:
    """Numbers of a key of one head."""
    return int(text_config.get("head_dim") or text_config["hidden_size"] // text_config["num_attention_heads"])


def _free_after_weights(model: FamilyModel, options: EngineOptions, device: str, dtype: str) -> int | None:
    free = free_memory(device)
    if free is None:
        return free
    needed = parameter_bytes(model, BYTES[dtype]) // options.tp
    left = free - needed
    if left < cache_bytes_per_token(model.text_config, dtype) * 1024:
        raise EngineMemoryError(
            f"{model.model_type} needs {needed / GIB:.1f} GiB for its weights in {dtype}, and {free / GIB:.1f} GiB "
            f"are free on the {device}.",
            "Free memory, use a smaller model or dtype, or share it over more GPUs with tp.",
        )
    return left
