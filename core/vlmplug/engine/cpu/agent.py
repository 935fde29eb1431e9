"""lmdeploy's model agent on the CPU: builds the model and runs its steps.

A step on a CPU really blocks. It runs in a thread of its own, so that the engine's event loop keeps accepting,
streaming and cancelling requests meanwhile. Decoding steps of a few milliseconds are the exception: handing them over
takes about a millisecond, and two threads that share the interpreter hold each other up.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lmdeploy.pytorch.distributed import get_dist_manager
from lmdeploy.pytorch.engine.cache_engine import CacheEngine, StateCacheEngine
from lmdeploy.pytorch.engine.model_agent.agent import BaseModelAgent

from vlmplug.engine.cpu.config import CpuBackendConfig
from vlmplug.engine.cpu.device import CPU, occupy
from vlmplug.engine.cpu.memory import available_memory, blocks_in
from vlmplug.engine.lasting_thread import LastingThread
from vlmplug.errors import EngineOptionError

# lmdeploy's step context is one for the whole process, and two steps at once would only share the same cores
_step = threading.Lock()
#: Seconds of work that may hold up the event loop.
_SHORT_STEP = 0.01
#: Turns of the event loop in which the tokens of the step before reach whoever asked for them.
_TURNS = 4


def to_cpu(value: Any, non_blocking: bool = False) -> Any:
    """A copy of a step's inputs, as the transfer to another device would make one.

    Without it the agent's in-place updates would reach the scheduler's tensors.
    """
    if isinstance(value, torch.Tensor):
        return value.clone()
    if not hasattr(value, "to_device"):
        return value
    moved = value.to_device(CPU, non_blocking=False)
    for name, item in vars(moved).items():
        if isinstance(item, torch.Tensor):
            setattr(moved, name, item.clone())
    return moved


class CpuCacheEngine(CacheEngine):  # type: ignore[misc]
    """lmdeploy's cache of keys and values in main memory."""

    def allocate_gpu_cache(self) -> list[tuple[torch.Tensor, ...]]:
        """The "device" side of the cache: one tuple of tensors a layer."""
        self.gpu_allocation = self.block_cache_plan.allocate(
            num_logical_blocks=self.cache_config.num_gpu_blocks, device=CPU
        )
        self._block_caches = self._build_block_cache_view(self.gpu_allocation.tensor_views)
        layers: list[tuple[torch.Tensor, ...]] = self._build_model_layer_cache(self.gpu_allocation.tensor_views)
        return layers


class CpuModelAgent(BaseModelAgent):  # type: ignore[misc]
    """One dense language model in main memory.

    Takes lmdeploy's own arguments, by keyword; ``backend_config`` is a :class:`CpuBackendConfig`.

    :raises EngineOptionError: the configuration asks for something that the CPU device does not offer.
    :raises DeviceError: an engine on another device runs in this process.
    """

    def __init__(self, **arguments: Any) -> None:
        _require_supported(arguments)
        self._leave_device = occupy(self)
        super().__init__(**arguments)
        self.device = CPU
        self._worker = LastingThread("vlmplug-cpu-step", self._set_threads)
        self._latest_decoding = float("inf")  # seconds of work in the latest decoding step

    def _set_threads(self) -> None:
        """PyTorch's number of threads belongs to the thread that calls its operators."""
        torch.set_num_threads(self.backend_config.threads)

    def start(self, forward_event: Any = None) -> None:
        """Begin to take steps; called in the event loop, where the short ones will run."""
        self._set_threads()
        super().start(forward_event)

    @contextmanager
    def all_context(self) -> Iterator[None]:
        """lmdeploy's contexts without the device's: that one is the CPU as long as this agent lives."""
        with get_dist_manager().context(self.dist_ctx), torch.inference_mode():
            yield

    def build_cache_plans(self, cache_config: Any, spec_cache_config: Any = None) -> tuple[int, int, int]:
        """Size of one block in bytes; fixes the number of blocks by the byte budget.

        :raises EngineMemoryError: the budget is too small.
        """
        sizes: tuple[int, int, int] = super().build_cache_plans(cache_config, spec_cache_config)
        if cache_config.num_gpu_blocks == 0:
            cache_config.num_gpu_blocks = blocks_in(self.backend_config.kv_cache_bytes, sizes[0])
        return sizes

    def get_free_mem(self) -> int:
        """Bytes of main memory that lmdeploy may plan with, the cache's budget at least."""
        budget: int = self.backend_config.kv_cache_bytes
        return max(available_memory() or 0, budget)

    def build_cache_engine(self) -> None:
        """Allocate the cache."""
        with self.all_context():
            self.cache_engine = CpuCacheEngine(
                self.cache_config, cache_stream=self.cache_stream, block_cache_plan=self.block_cache_plan
            )
            self.state_cache_engine = StateCacheEngine(self.cache_config, self.model_config)

    def warmup(self) -> None:
        """Nothing to compile or capture."""

    async def _async_model_forward(self, inputs: Any, return_logits: bool, cache_inputs: Any = None) -> dict[str, Any]:
        if self._is_short(inputs):
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if _step.acquire(blocking=False):
                try:
                    return self._timed_step(inputs, return_logits, cache_inputs)
                finally:
                    _step.release()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._step_in_turn, inputs, return_logits, cache_inputs)

    def _is_short(self, inputs: Any) -> bool:
        """Whether a step will hardly hold up the event loop. One that waits for other ranks might for ever."""
        return inputs.is_decoding and self._latest_decoding < _SHORT_STEP and self.dist_config.world_size == 1

    def _step_in_turn(self, inputs: Any, return_logits: bool, cache_inputs: Any) -> dict[str, Any]:
        with _step:
            return self._timed_step(inputs, return_logits, cache_inputs)

    def _timed_step(self, inputs: Any, return_logits: bool, cache_inputs: Any) -> dict[str, Any]:
        begin = time.thread_time()  # other programs on the same cores do not count
        output = self._step(inputs, return_logits, cache_inputs)
        # the step behind a prefill is handed over, so that the first tokens go out meanwhile
        self._latest_decoding = time.thread_time() - begin if inputs.is_decoding else float("inf")
        return output

    def _step(self, inputs: Any, return_logits: bool, cache_inputs: Any) -> dict[str, Any]:
        """lmdeploy's ``_async_model_forward`` without its waits; the projection to the vocabulary blocks as well."""
        with torch.inference_mode():
            output: dict[str, Any] = self._forward_impl(inputs, cache_inputs)
            if self._is_prefill_input_logprobs(inputs):
                output["logits"] = self._get_input_logits(output["hidden_states"][0], inputs)
                return output
            if not return_logits:
                output = self._postprocess_forward_output(output, inputs)
            output["logits"] = self.get_logits(output.pop("hidden_states"))
            return output

    def release(self) -> None:
        """Free model and cache, after the step that is under way."""
        self._worker.shutdown()
        super().release()
        self._leave_device()


def _require_supported(arguments: dict[str, Any]) -> None:
    model, cache = arguments["model_config"], arguments["cache_config"]
    if not isinstance(arguments["backend_config"], CpuBackendConfig):
        raise EngineOptionError("An engine configuration that was not made for the CPU.", "Use cpu_engine_config().")
    for asked, name in (
        (bool(arguments.get("adapters")), "adapters (LoRA)"),
        (arguments.get("specdecode_config") is not None, "speculative decoding"),
        (arguments["misc_config"].memdecode_config is not None, "memory decoding"),
        (int(cache.quant_policy) != 0, "quantised keys and values"),
        (bool(model.states_shapes), "state space models"),
    ):
        if asked:
            raise EngineOptionError(f"device=cpu does not offer {name}.", 'Leave it out, or use device="cuda".')
