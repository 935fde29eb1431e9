"""One rank of a tensor-parallel engine: the program of a worker process.

It runs lmdeploy's model agent in an event loop of its own and answers the calls of the engine that started it
(`vlmplug.engine.worker_executor`), over the one end of a socket pair that it inherited. It ends as soon as the other
end is closed, so that no worker outlives its engine.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import signal
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
from lmdeploy.pytorch.engine.executor.base_worker import WorkerWrapperBase

from vlmplug.engine.cpu.device import CPU, occupy
from vlmplug.engine.worker_messages import Call, Done, Failed, Output, received, send


@dataclass(frozen=True)
class WorkerOptions:
    """What a worker is told first.

    - ``rank``: from 0. ``address``: host and port where rank 0 gathers all of them.
    - ``arguments``: of lmdeploy's worker, by name.
    """

    rank: int
    address: tuple[str, int]
    arguments: dict[str, Any]


class Worker:
    """Answers calls in their order; whatever a call raises is its answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = threading.Lock()
        self._worker: WorkerWrapperBase | None = None

    def serve(self) -> None:
        """Runs until the process ends, which `_read` sees to."""
        asyncio.set_event_loop(self._loop)
        threading.Thread(target=self._read, name="vlmplug-worker-calls", daemon=True).start()
        self._loop.run_forever()

    def _read(self) -> None:
        while True:
            try:
                call = received(self._connection)
            except (EOFError, OSError):
                os._exit(0)  # the engine is gone; a collective operation may block every other way out
            self._loop.call_soon_threadsafe(self._handle, call)

    def _handle(self, call: Call) -> None:
        """In the loop's thread: coroutines become tasks, everything else is done at once."""
        try:
            value = self._method(call.method)(*call.arguments)
        except BaseException as error:  # the engine decides what it means
            self._send(Failed(call.number, error))
            return
        if inspect.iscoroutine(value):
            self._spawn(self._finish(call.number, value))
        else:
            self._send(Done(call.number, value))

    def _method(self, name: str) -> Any:
        return getattr(self, name) if name in ("open", "start") else getattr(self._worker, name)

    async def _finish(self, number: int, work: Coroutine[Any, Any, object]) -> None:
        try:
            self._send(Done(number, await work))
        except BaseException as error:  # as above
            self._send(Failed(number, error))

    def open(self, options: WorkerOptions) -> None:
        """Joins the other ranks; nothing is loaded yet."""
        if options.arguments["device_type"] == CPU:
            occupy(self)
        else:
            torch.cuda.set_device(options.rank)
        self._worker = WorkerWrapperBase(**options.arguments)
        host, port = options.address
        self._worker.init_process_group(options.rank, host, str(port))

    def start(self) -> None:
        """Starts the model agent; from now on its outputs are sent as they come, and its end is reported."""
        if self._worker is None:
            raise RuntimeError("start before open")
        self._worker.start()
        self._spawn(self._watch(self._worker))
        if self._worker.model_agent.need_output:
            self._spawn(self._send_outputs(self._worker))

    async def _send_outputs(self, worker: WorkerWrapperBase) -> None:
        while True:
            self._send(Output((await worker.get_output_async()).to_numpy()))

    async def _watch(self, worker: WorkerWrapperBase) -> None:
        try:
            await worker.wait_tasks()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # the engine ends with it
            self._send(Failed(None, error))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send(self, message: Done | Failed | Output) -> None:
        with self._sending:
            try:
                send(self._connection, message)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                send(self._connection, Failed(getattr(message, "number", None), RuntimeError(f"{message!r}: {error}")))
            except OSError:
                os._exit(0)


def main(descriptor: int) -> None:
    """Serves the engine at the other end of an inherited socket."""
    from vlmplug.engine.start import prepare_lmdeploy

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the engine ends its workers itself
    prepare_lmdeploy()
    Worker(Connection(descriptor)).serve()
