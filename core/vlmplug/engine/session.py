"""One request inside lmdeploy's engine, read no more often than somebody wants to know.

It takes the place of lmdeploy's `EngineInstance.async_stream_infer`, which wakes a task, and sets a timer, for each
token of each request. A step of a small model takes two milliseconds; sixty-four such tasks take as long, in the thread
that has to prepare the next step. lmdeploy keeps all tokens of a request, so that any of them can be fetched later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lmdeploy.messages import EngineOutput, GenerationConfig, ResponseType
from lmdeploy.pytorch.engine import Engine
from lmdeploy.pytorch.engine.request import RequestType, Response
from lmdeploy.pytorch.messages import SamplingParam
from lmdeploy.pytorch.multimodal.data_type import MultiModalData

from vlmplug.engine.compatibility import Needed

_REQUEST = "lmdeploy.pytorch.engine.request"

NEEDED = (
    Needed("lmdeploy.pytorch.messages", "SamplingParam.from_gen_config", ("gen_config",)),
    Needed(_REQUEST, "RequestManager.build_sender"),
    Needed(_REQUEST, "RequestManager.is_loop_alive"),
    Needed(_REQUEST, "RequestManager.response", ("resp",)),
    Needed(_REQUEST, "RequestSender.send_async", ("req_type", "data")),
    Needed(_REQUEST, "RequestType.ADD_MESSAGE"),
    Needed(_REQUEST, "RequestType.ADD_SESSION"),
    Needed(_REQUEST, "RequestType.END_SESSION"),
    Needed(_REQUEST, "Response", ("type", "event", "data")),
)
"""All of lmdeploy that a session relies on."""

#: Seconds between two deliveries to one reader, for each request under way: together they take a bounded share of the
#: engine's thread, and a single one gets every token at once.
_PACE = 0.0005


@dataclass
class Pace:
    """How many sessions share the attention of one engine's thread."""

    under_way: int = 0

    @property
    def seconds(self) -> float:
        """Least time between two deliveries to one of them."""
        return _PACE * self.under_way

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Counts one more as long as it lasts."""
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1


@dataclass(frozen=True)
class Session:
    """What lmdeploy is asked.

    :param number: its own in this engine.
    :param is_read: whether somebody reads the tokens as they come; else the first and the last delivery are enough.
    """

    number: int
    input_ids: tuple[int, ...]
    config: GenerationConfig
    media: dict[str, list[MultiModalData]] | None
    is_read: Callable[[], bool]
    pace: Pace = field(default_factory=Pace)

    async def outputs(self, engine: Engine) -> AsyncGenerator[EngineOutput, None]:
        """What comes out, new tokens only; the last output has another status than ``SUCCESS``.

        To be called in the engine's loop. Closing it ends the engine's work on it.
        """
        sender = engine.req_manager.build_sender()
        with self.pace.shared():
            try:
                sender.send_async(RequestType.ADD_SESSION, {"session_id": self.number, "response": False})
                response = sender.send_async(RequestType.ADD_MESSAGE, self._message())
                async for output in self._read(engine, response):
                    yield output
            finally:
                if engine.req_manager.is_loop_alive():  # else it would be started anew
                    sender.send_async(RequestType.END_SESSION, {"session_id": self.number, "response": False})
                engine.req_manager.senders.pop(sender.sender_id, None)

    def _message(self) -> dict[str, Any]:
        return {
            "session_id": self.number,
            "token_ids": list(self.input_ids),
            "sampling_param": SamplingParam.from_gen_config(self.config),
            "adapter_name": None,
            "input_multimodals": self.media,
            "migration_request": None,
            "with_cache": False,
            "preserve_cache": False,
        }

    async def _read(self, engine: Engine, response: Response) -> AsyncGenerator[EngineOutput, None]:
        bell, count = _Bell(response, self), 0
        response.event = bell
        engine._loop_main.add_done_callback(bell.ring)
        try:
            while True:
                await bell.wait()
                bell.clear()
                output = _output(response, count, alive=engine.req_manager.is_loop_alive())
                count += len(output.token_ids)
                yield output
                if output.status != ResponseType.SUCCESS:
                    return
        finally:
            engine._loop_main.remove_done_callback(bell.ring)


class _Bell(asyncio.Event):
    """What lmdeploy sets whenever a response has changed; it wakes the reader when that is due."""

    def __init__(self, response: Response, session: Session) -> None:
        super().__init__()
        self._response, self._session = response, session
        self._next = 0.0

    def set(self) -> None:
        """Called by lmdeploy, in the engine's loop."""
        if self._response.type != ResponseType.SUCCESS or self._is_due():
            super().set()

    def ring(self, ended: object) -> None:
        """The engine's main loop has ended: nothing will change any more."""
        super().set()

    def _is_due(self) -> bool:
        now, first = time.monotonic(), not self._next
        if not first and (now < self._next or not self._session.is_read()):
            return False
        self._next = now + self._session.pace.seconds
        return True


def _output(response: Response, count: int, alive: bool) -> EngineOutput:
    """A response as lmdeploy's own reader gives it.

    :param count: tokens that were read before. ``alive``: whether the engine's main loop works.
    """
    if response.type not in (ResponseType.SUCCESS, ResponseType.FINISH, ResponseType.CANCEL):
        return EngineOutput(response.type if alive else ResponseType.ENGINE_STOP_ERROR, [])
    if response.type == ResponseType.SUCCESS and not alive:
        return EngineOutput(ResponseType.ENGINE_STOP_ERROR, [])
    data: dict[str, Any] = response.data or {}
    ids = data.get("token_ids")  # None where it was cancelled before any output
    return EngineOutput(
        response.type,
        [] if ids is None else ids[count:].tolist(),
        req_metrics=data.get("req_metrics"),
        logprobs=data.pop("logprobs", None),
    )
