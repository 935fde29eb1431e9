"""The configuration of one engine on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lmdeploy.messages import PytorchEngineConfig
from lmdeploy.pytorch.config import BackendConfig

from vlmplug.engine.cpu.device import CPU
from vlmplug.engine.cpu.threads import thread_count
from vlmplug.errors import EngineOptionError

CpuDtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class CpuEngineOptions:
    """What the caller decides about an engine on the CPU.

    :param kv_cache_bytes: memory for keys and values, in bytes, all layers together.
    :param dtype: of weights and activations.
    :param session_len: longest prompt with its answer, in tokens; None: as much as the cache holds.
    :param max_batch_size: most requests in one step.
    :param max_prefill_token_num: most prompt tokens in one step; longer prompts are cut into chunks.
    :param block_size: tokens in one block of the cache: a power of two, 16 at least.
    :param num_blocks: blocks of the cache, instead of ``kv_cache_bytes``; 0: by bytes.
    :param prefix_caching: reuse keys and values of equal beginnings.
    :param threads: of PyTorch, all ranks together; None: all cores that this process may use.
    :param tp: ranks that share the language model, each a process; ``kv_cache_bytes`` is for all together.
    :param logprobs: what the engine reports for each token: log-probabilities, or the logits as they are.
    """

    kv_cache_bytes: int
    dtype: CpuDtype = "float32"
    session_len: int | None = None
    max_batch_size: int = 8
    max_prefill_token_num: int = 1024
    block_size: int = 16
    num_blocks: int = 0
    prefix_caching: bool = False
    threads: int | None = None
    tp: int = 1
    logprobs: Literal["raw_logprobs", "raw_logits"] = "raw_logprobs"


@dataclass
class CpuEngineConfig(PytorchEngineConfig):  # type: ignore[misc]
    """lmdeploy's engine configuration with what only the CPU needs."""

    kv_cache_bytes: int = 0
    threads: int = 1


@dataclass
class CpuBackendConfig(BackendConfig):  # type: ignore[misc]
    """The part of :class:`CpuEngineConfig` that reaches the model agent."""

    kv_cache_bytes: int = 0
    threads: int = 1


def cpu_engine_config(options: CpuEngineOptions) -> CpuEngineConfig:
    """lmdeploy's configuration of an engine on the CPU.

    :raises EngineOptionError: an option is out of range.
    """
    _check(options)
    config = CpuEngineConfig(
        tp=options.tp,
        session_len=options.session_len,
        max_batch_size=options.max_batch_size,
        max_prefill_token_num=options.max_prefill_token_num,
        block_size=options.block_size,
        num_gpu_blocks=options.num_blocks,
        enable_prefix_caching=options.prefix_caching,
        logprobs_mode=options.logprobs,
        eager_mode=True,
        distributed_executor_backend="uni" if options.tp == 1 else "mp",
        kv_cache_bytes=options.kv_cache_bytes // options.tp,
        threads=max(1, thread_count(options.threads) // options.tp),
    )
    # lmdeploy checks both in __post_init__ against the devices and types that it knows
    config.device_type = CPU
    config.dtype = options.dtype
    return config


def cpu_backend_config(config: CpuEngineConfig) -> CpuBackendConfig:
    """What the model agent is told of the configuration."""
    return CpuBackendConfig(
        eager_mode=True, device_type=CPU, kv_cache_bytes=config.kv_cache_bytes, threads=config.threads
    )


def _check(options: CpuEngineOptions) -> None:
    if options.dtype not in get_args(CpuDtype):
        raise EngineOptionError(
            f"dtype={options.dtype!r} on the CPU.", f"Choose one of {', '.join(get_args(CpuDtype))}."
        )
    size = options.block_size
    if size < 16 or size & (size - 1):
        raise EngineOptionError(f"block_size={size}.", "It must be a power of two, 16 at least.")
    if options.kv_cache_bytes < 1 and options.num_blocks < 1:
        raise EngineOptionError("The cache of keys and values has no memory.", "Set kv_cache_bytes.")
    for name in ("max_batch_size", "max_prefill_token_num", "tp"):
        if getattr(options, name) < 1:
            raise EngineOptionError(f"{name}={getattr(options, name)}.", "It must be 1 at least.")
