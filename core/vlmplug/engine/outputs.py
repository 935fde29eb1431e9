"""Takes a step's output at the moment when the GPU has made it.

lmdeploy's agent asks the GPU, sleeps a millisecond, and asks again: an event loop's clock has no finer unit. A decoding
step of InternVL2-2B takes 2.6 ms or 3.6 ms, as microseconds elsewhere decide. Here a thread waits inside CUDA, without
the interpreter's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Any

from vlmplug.engine.compatibility import Installation, Needed
from vlmplug.engine.lasting_thread import LastingThread

_AGENT = "lmdeploy.pytorch.engine.model_agent.agent"

NEEDED = (
    Needed(_AGENT, "BaseModelAgent.start", ("forward_event",)),
    Needed(_AGENT, "BaseModelAgent.get_output_async"),
)
"""All of lmdeploy that this relies on."""


class FinishedOutputs(asyncio.Queue[Any]):
    """Outputs, each with the event that says that the GPU has made it; they can be taken from then on."""

    def __init__(self) -> None:
        super().__init__()
        self._waiter = LastingThread("vlmplug-gpu-events")

    async def get(self) -> Any:
        """The next pair of output and event, or lmdeploy's None for nothing."""
        item = await super().get()
        if item is not None and not item[1].query():
            await asyncio.get_running_loop().run_in_executor(self._waiter, item[1].synchronize)
        return item


def _install() -> None:
    from lmdeploy.pytorch.engine.model_agent.agent import BaseModelAgent

    BaseModelAgent.start = _with_finished_outputs(BaseModelAgent.start)


def _with_finished_outputs(theirs: Callable[..., None]) -> Callable[..., None]:
    @wraps(theirs)
    def start(self: Any, forward_event: asyncio.Event | None = None) -> None:
        theirs(self, forward_event)  # its tasks have not begun yet
        self._out_que = FinishedOutputs()

    return start


#: Changes lmdeploy's agents that are started afterwards; later calls do nothing.
install = Installation(NEEDED, _install)
