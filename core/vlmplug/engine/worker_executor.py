"""Tensor parallelism: lmdeploy's executor over worker processes of ours, one a rank.

lmdeploy has two executors for several ranks: one over ray, a cluster manager of 80 MB, and one over multiprocessing,
which is announced as deprecated, works in a process's main thread only and is known to hang. This one needs nothing
else, works in any thread and on the CPU, and ends with an error when a worker ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import ExitStack
from typing import Any

from lmdeploy.pytorch.engine.executor.base import ExecutorBase, _WorkerCachePlanSizes
from lmdeploy.pytorch.engine.executor.dist_utils import find_available_port

from vlmplug.engine.compatibility import Installation, Needed
from vlmplug.engine.cpu.device import CPU
from vlmplug.engine.cpu.memory import blocks_in
from vlmplug.engine.worker import WorkerOptions
from vlmplug.engine.worker_link import Listener, WorkerLink
from vlmplug.errors import VlmplugError

_MODULE = "lmdeploy.pytorch.engine.executor"
_STOP_SECONDS = 5.0
#: How long a worker's death may take to be seen after another one has failed.
_DEATH_SECONDS = 1.0

NEEDED = (
    Needed(f"{_MODULE}.base", "ExecutorBase.init"),
    Needed(f"{_MODULE}.base", "ExecutorBase.update_configs"),
    Needed(f"{_MODULE}.base", "_WorkerCachePlanSizes"),
    Needed(f"{_MODULE}.base_worker", "WorkerWrapperBase", ("model_path", "dist_config", "device_type")),
    Needed(f"{_MODULE}.base_worker", "WorkerWrapperBase.init_process_group", ("rank", "master_addr", "master_port")),
    Needed(f"{_MODULE}.base_worker", "WorkerWrapperBase.build_cache_plans", ("cache_config", "spec_cache_config")),
    Needed(f"{_MODULE}.base_worker", "WorkerWrapperBase.stop_async"),
    Needed(f"{_MODULE}.base_worker", "build_model_agent"),
    Needed(f"{_MODULE}.dist_utils", "find_available_port"),
    Needed(f"{_MODULE}.mp_executor", "MPExecutor", ("model_path", "dist_config", "device_type")),
    Needed("lmdeploy.pytorch.engine.model_agent.agent", "BatchedOutputs.to_numpy"),
    Needed("lmdeploy.pytorch.engine.model_agent.agent", "BatchedOutputs.to_tensor"),
)
"""All of lmdeploy that worker processes rely on."""


class WorkerExecutor(ExecutorBase):  # type: ignore[misc]
    """Takes lmdeploy's own arguments, by keyword.

    :raises EngineStoppedError: from any method: a worker process ended.
    """

    def __init__(self, model_path: str, **arguments: Any) -> None:
        super().__init__(model_path, **arguments)
        self._workers: list[WorkerLink] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outputs: asyncio.Queue[Any] = asyncio.Queue()
        self._ended: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        with ExitStack() as undo:
            undo.callback(self._close)
            listener = Listener(self._put_output, self._fail)
            self._workers += [WorkerLink(rank, listener) for rank in range(self.world_size)]
            address = ("127.0.0.1", find_available_port())
            arguments = {"model_path": model_path, **arguments}
            _results([w.call("open", WorkerOptions(w.rank, address, arguments)) for w in self._workers])
            undo.pop_all()

    def init(self) -> None:
        """Builds models and caches on every rank; workers do not survive a failure of it."""
        with ExitStack() as undo:
            undo.callback(self._close)
            super().init()
            undo.pop_all()

    def build_model(self) -> None:
        """Builds and loads the model."""
        self._everyone("build_model")

    def gather_free_mem(self) -> list[int]:
        """Free bytes on each rank's device."""
        return self._everyone("get_free_mem")

    def set_cache_config(self, cache_config: Any, spec_cache_config: Any = None) -> None:
        """Tells all ranks of the cache."""
        self._everyone("set_cache_config", cache_config, spec_cache_config)

    def set_model_config(self, model_config: Any, spec_model_config: Any = None) -> None:
        """Tells all ranks of the model."""
        self._everyone("set_model_config", model_config, spec_model_config)

    def _prepare_worker_cache_plans(self, cache_config: Any, spec_cache_config: Any = None) -> list[Any]:
        plans = [_WorkerCachePlanSizes(*sizes) for sizes in self._everyone("build_cache_plans", cache_config, None)]
        if self.device_type == CPU and cache_config.num_gpu_blocks == 0:  # by our budget, not by what is free
            cache_config.num_gpu_blocks = blocks_in(self.backend_config.kv_cache_bytes, max(p.total for p in plans))
        return plans

    def build_graph_runner(self) -> None:
        """Prepares CUDA graphs."""
        self._everyone("build_graph_runner")

    def build_cache_engine(self) -> None:
        """Allocates the cache."""
        self._everyone("build_cache_engine")

    def warmup(self) -> None:
        """Compiles and captures."""
        self._everyone("warmup")

    def get_input_processor(self) -> Any:
        """That of rank 0; all are alike."""
        return self._workers[0].call("get_input_processor").result()

    def start(self, forward_event: asyncio.Event) -> None:
        """Starts all ranks; to be called in the engine's loop."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._everyone("start")
        if self._failure is not None:
            self._end_with(self._failure)

    async def wait_tasks(self) -> None:
        """Returns after `stop`; raises what ended a worker."""
        if self._ended is not None:
            await self._ended

    async def forward_async(self, inputs: dict[str, Any]) -> None:
        """Sends the inputs of one step to every rank."""
        for worker in self._workers:
            worker.call("forward_async", inputs)
        await asyncio.sleep(0)

    async def get_output_async(self) -> Any:
        """The next step's outputs."""
        output = await self._outputs.get()
        if isinstance(output, BaseException):
            raise output
        return output.to_tensor()

    def stop(self) -> None:
        """Stops all ranks' loops; one that does not answer in time is ended by `release`."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        self._try_everyone("stop_async")

    def release(self) -> None:
        """Frees all ranks' memory and ends their processes."""
        self._try_everyone("release")
        self._close()

    def _everyone(self, method: str, *arguments: Any) -> list[Any]:
        """A method of all ranks; the first failure of any is raised without waiting for the others."""
        return _results([worker.call(method, *arguments) for worker in self._workers])

    def _try_everyone(self, method: str) -> None:
        wait([worker.call(method) for worker in self._workers], timeout=_STOP_SECONDS)

    def _close(self) -> None:
        for worker in self._workers:
            worker.close()

    def _put_output(self, output: Any) -> None:
        self._in_loop(lambda: self._outputs.put_nowait(output))

    def _fail(self, error: BaseException) -> None:
        error = error if isinstance(error, VlmplugError) else self._death() or error
        self._failure = self._failure or error
        self._in_loop(lambda: self._end_with(error))

    def _death(self) -> BaseException | None:
        """Which worker has ended: it spoils the steps of the others, and one of them may be heard first."""
        deaths = (worker.death(_DEATH_SECONDS / self.world_size) for worker in self._workers)
        return next(filter(None, deaths), None)

    def _in_loop(self, work: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the engine's loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(work)

    def _end_with(self, error: BaseException) -> None:
        self._outputs.put_nowait(error)
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)


def _results(futures: list[Future[Any]]) -> list[Any]:
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        if (error := future.exception()) is not None:
            raise error
    return [future.result() for future in futures]


def _install() -> None:
    from lmdeploy.pytorch.engine.executor import mp_executor

    mp_executor.MPExecutor = WorkerExecutor


#: Gives lmdeploy this executor in place of its own over multiprocessing; later calls do nothing.
install = Installation(NEEDED, _install)
