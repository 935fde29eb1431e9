"""What a caller may set on the engine; importing this needs neither torch nor lmdeploy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vlmplug.checked_type import check_type
from vlmplug.errors import EngineOptionError
from vlmplug.number import check_whole, is_whole

Device = Literal["auto", "cuda", "cpu"]
Dtype = Literal["auto", "bfloat16", "float16", "float32"]
Weights = Literal["checkpoint", "random"]
LogprobsMode = Literal["logprobs", "logits"]

DEVICES = ("auto", "cuda", "cpu")
DTYPES = ("auto", "bfloat16", "float16", "float32")
WEIGHTS = ("checkpoint", "random")
LOGPROBS_MODES = ("logprobs", "logits")
#: KV cache precisions: as the model, 4-bit, 8-bit.
QUANT_POLICIES = (0, 4, 8)
#: Beyond any machine; PyTorch ends the process where the system refuses it a thread.
MOST_THREADS = 1024


@dataclass(frozen=True)
class SchedulerOptions:
    """Finer settings, for those who measure.

    - ``max_batch_size``: sequences decoded together; None: 128 on a GPU, 16 on a CPU.
    - ``max_prefill_tokens``: tokens of one prefill; longer prompts are cut into chunks (never inside a picture).
    - ``block_size``: tokens per KV block, a power of two from 16; None: 64 on a GPU, 16 on a CPU.
    - ``prefix_caching``: reuse the KV blocks of equal beginnings (text and pictures, compared by content).
    - ``kv_blocks``: number of KV blocks; None: as many as ``cache_share`` allows.
    - ``eager``: no CUDA graphs.
    - ``tower_tiles``: tiles of 448 by 448 pixels that go through the vision tower at once; larger ones count as
      several.
    - ``logprobs_mode``: what `Sampling.logprobs` reports: log probabilities, or the raw ``logits`` (which
      `Sampling.prompt_logits` needs).
    """

    max_batch_size: int | None = None
    max_prefill_tokens: int = 8192
    block_size: int | None = None
    prefix_caching: bool = True
    kv_blocks: int | None = None
    eager: bool = False
    tower_tiles: int = 32
    logprobs_mode: LogprobsMode = "logprobs"

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_prefill_tokens", "kv_blocks", "tower_tiles"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1, error=EngineOptionError)
        if self.kv_blocks is not None and self.kv_blocks < 16:
            raise EngineOptionError(f"kv_blocks is {self.kv_blocks}.", "Give at least 16.")
        size = self.block_size
        if size is not None and (not isinstance(size, int) or size < 16 or size & (size - 1)):
            raise EngineOptionError(f"block_size is {size!r}.", "Give a power of two of at least 16.")
        _one_of("logprobs_mode", self.logprobs_mode, LOGPROBS_MODES)


@dataclass(frozen=True)
class EngineOptions:
    """Where and how the engine runs.

    - ``device``: ``auto`` takes a GPU if there is one.
    - ``dtype``: ``auto`` is the checkpoint's own on a GPU (float16 where the GPU knows no bfloat16), float32 on a CPU.
    - ``tp``: number of GPUs that share the language model.
    - ``session_length``: tokens that prompt and answer may take together; None: what the model allows.
    - ``cache_share``: share of the memory left after loading that the KV cache may take, in (0, 1).
    - ``quant_policy``: 0, 4 or 8: KV cache as the model, in 4 or in 8 bits (GPU only).
    - ``seed``: seeds requests that bring none, and random weights; None draws one.
    - ``weights``: ``random`` needs no weight files: true shapes, seeded values, for measurements.
    - ``threads``: CPU threads; None: as many as this process may use. An engine on the CPU makes it
      PyTorch's number for threads that begin later in this process; the caller's own thread keeps what it had.
    """

    device: Device = "auto"
    dtype: Dtype = "auto"
    tp: int = 1
    session_length: int | None = None
    cache_share: float = 0.8
    quant_policy: int = 0
    seed: int | None = None
    weights: Weights = "checkpoint"
    threads: int | None = None
    scheduler: SchedulerOptions = field(default_factory=SchedulerOptions)

    def __post_init__(self) -> None:
        _one_of("device", self.device, DEVICES)
        _one_of("dtype", self.dtype, DTYPES)
        _one_of("weights", self.weights, WEIGHTS)
        _one_of("quant_policy", self.quant_policy, QUANT_POLICIES)
        check_whole("tp", self.tp, 1, error=EngineOptionError)
        if not isinstance(self.cache_share, int | float) or not 0 < self.cache_share < 1:
            remedy = "Give a share between 0 and 1 (--cache-max-entry-count at the command line)."
            raise EngineOptionError(f"cache_share is {self.cache_share!r}.", remedy)
        if self.session_length is not None:
            check_whole("session_length", self.session_length, 1, error=EngineOptionError)
        if self.threads is not None:
            check_whole("threads", self.threads, 1, MOST_THREADS, EngineOptionError)
        if self.seed is not None and not is_whole(self.seed):
            raise EngineOptionError(f"seed is {self.seed!r}.", "Give a whole number.")
        check_type("scheduler", self.scheduler, SchedulerOptions, "Write SchedulerOptions(…).", EngineOptionError)


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise EngineOptionError(f"{name} is {value!r}.", f"Use one of {', '.join(map(str, allowed))}.")
