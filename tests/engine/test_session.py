"""A request inside lmdeploy's engine: read token by token, or twice, and always to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lmdeploy.messages import EngineOutput, GenerationConfig, ResponseType
from lmdeploy.pytorch.engine.engine import response_reqs
from lmdeploy.pytorch.engine.request import RequestManager, RequestType, Response

from vlmplug.engine.session import Pace, Session

#: Longer than the pace of a session that is alone.
A_STEP = 0.002


@dataclass
class ScriptedEngine:
    """lmdeploy's own requests, with nothing behind them: a test says what comes out."""

    req_manager: RequestManager = field(default_factory=RequestManager)
    asked: list[tuple[RequestType, dict[str, Any]]] = field(default_factory=list)
    response: Response | None = None
    broken: bool = False

    def __post_init__(self) -> None:
        for kind in (RequestType.ADD_SESSION, RequestType.ADD_MESSAGE, RequestType.END_SESSION):
            self.req_manager.bind_func(kind, lambda requests, kind=kind: self._take(kind, requests))
        self.req_manager.set_main_loop_func(self._main)
        self._loop_main = self.req_manager.create_loop_task()

    def _take(self, kind: RequestType, requests: list[Any]) -> None:
        self.asked += [(kind, request.data) for request in requests]
        if kind == RequestType.ADD_MESSAGE:
            self.response = requests[-1].resp

    async def _main(self) -> None:
        while not self.broken:
            await self.req_manager.step()
        raise KeyError("the model")

    async def say(self, *ids: int, kind: ResponseType = ResponseType.SUCCESS, **more: Any) -> None:
        """All ids so far, as lmdeploy has it, and then the time of a step."""
        while self.response is None:
            await asyncio.sleep(0)
        response_reqs(self.req_manager, self.response, kind, {"token_ids": np.array(ids), **more})
        await asyncio.sleep(A_STEP)


def session(is_read: Callable[[], bool] = lambda: True, pace: Pace | None = None) -> Session:
    return Session(7, (1, 2, 3), GenerationConfig(max_new_tokens=4), None, is_read, pace or Pace())


def outputs_of(
    session: Session, script: Callable[[ScriptedEngine], Coroutine[Any, Any, None]]
) -> tuple[list[EngineOutput], ScriptedEngine]:
    """What a session reads while a script runs, and the engine after it."""

    async def together() -> tuple[list[EngineOutput], ScriptedEngine]:
        engine = ScriptedEngine()

        async def read() -> list[EngineOutput]:
            return [output async for output in session.outputs(engine)]  # type: ignore[arg-type]

        found, _ = await asyncio.wait_for(asyncio.gather(read(), script(engine)), 10)
        await asyncio.sleep(A_STEP)
        return found, engine

    return asyncio.run(together())


async def four_tokens(engine: ScriptedEngine) -> None:
    await engine.say(4)
    await engine.say(4, 5)
    await engine.say(4, 5, 6)
    await engine.say(4, 5, 6, 7, kind=ResponseType.FINISH)


@pytest.mark.parametrize(
    ("is_read", "others", "pieces"),
    [
        pytest.param(True, 0, [[4], [5], [6], [7]], id="every token where somebody reads"),
        pytest.param(False, 0, [[4], [5, 6, 7]], id="the first and the rest where nobody does"),
        pytest.param(True, 10_000, [[4], [5, 6, 7]], id="less often among many others"),
    ],
)
def test_pieces(is_read: bool, others: int, pieces: list[list[int]]) -> None:
    pace = Pace(others)
    found, _ = outputs_of(session(lambda: is_read, pace), four_tokens)
    assert [output.token_ids for output in found] == pieces
    assert [output.status for output in found] == [ResponseType.SUCCESS] * (len(pieces) - 1) + [ResponseType.FINISH]
    assert pace.under_way == others


def test_who_begins_to_read_gets_what_was_left_lying() -> None:
    reading = SimpleNamespace(now=False)

    async def script(engine: ScriptedEngine) -> None:
        await engine.say(4)
        await engine.say(4, 5)
        reading.now = True
        await engine.say(4, 5, 6)
        await engine.say(4, 5, 6, kind=ResponseType.FINISH)

    found, _ = outputs_of(session(lambda: reading.now), script)
    assert [output.token_ids for output in found] == [[4], [5, 6], []]


def test_what_lmdeploy_is_asked() -> None:
    _, engine = outputs_of(session(), four_tokens)
    assert [kind for kind, _ in engine.asked] == [
        RequestType.ADD_SESSION,
        RequestType.ADD_MESSAGE,
        RequestType.END_SESSION,
    ]
    message = engine.asked[1][1]
    assert (message["session_id"], message["token_ids"]) == (7, [1, 2, 3])
    assert message["sampling_param"].max_new_tokens == 4
    assert not engine.req_manager.senders


def test_log_probabilities_and_metrics_come_along_once() -> None:
    async def script(engine: ScriptedEngine) -> None:
        await engine.say(4, logprobs=[{4: -0.5}], req_metrics="metrics")
        await engine.say(4, 5, kind=ResponseType.FINISH, logprobs=[{5: -0.25}])

    found, engine = outputs_of(session(), script)
    assert [output.logprobs for output in found] == [[{4: -0.5}], [{5: -0.25}]]
    assert [output.req_metrics for output in found] == ["metrics", None]
    assert engine.response is not None and "logprobs" not in engine.response.data


@pytest.mark.parametrize("kind", [ResponseType.CANCEL, ResponseType.SESSION_NOT_EXIST, ResponseType.INPUT_LENGTH_ERROR])
def test_an_end_before_any_token(kind: ResponseType) -> None:
    async def script(engine: ScriptedEngine) -> None:
        while engine.response is None:
            await asyncio.sleep(0)
        response_reqs(engine.req_manager, engine.response, kind)

    found, _ = outputs_of(session(), script)
    assert [(output.status, output.token_ids) for output in found] == [(kind, [])]


@pytest.mark.parametrize("said", [(), (4,)], ids=["at once", "later"])
def test_the_end_of_the_engine_is_the_end_of_its_sessions(said: tuple[int, ...]) -> None:
    async def script(engine: ScriptedEngine) -> None:
        while engine.response is None:
            await asyncio.sleep(0)
        if said:
            await engine.say(*said)
        engine.broken = True
        engine.req_manager.build_sender().send_async(RequestType.END_SESSION, {})  # it wakes up to break

    found, engine = outputs_of(session(), script)
    assert [output.status for output in found][-1] == ResponseType.ENGINE_STOP_ERROR
    assert [token for output in found for token in output.token_ids] == list(said)
    assert isinstance(engine._loop_main.exception(), KeyError)
    assert [kind for kind, data in engine.asked if data] == [RequestType.ADD_SESSION, RequestType.ADD_MESSAGE]


def test_closing_it_ends_the_session() -> None:
    async def run() -> ScriptedEngine:
        engine = ScriptedEngine()
        outputs = session().outputs(engine)  # type: ignore[arg-type]
        saying = asyncio.ensure_future(engine.say(4))
        assert (await anext(outputs)).token_ids == [4]
        await outputs.aclose()
        await saying
        return engine

    engine = asyncio.run(asyncio.wait_for(run(), 10))
    assert engine.asked[-1] == (RequestType.END_SESSION, {"session_id": 7, "response": False})
    assert not engine.req_manager.senders
