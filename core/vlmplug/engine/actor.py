"""lmdeploy's engine as an actor: a thread and an event loop of its own, requests in, steps out.

One engine a thread: lmdeploy binds an engine to its event loop, leaks inference mode into its thread, and stopping one
engine breaks another in the same thread.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import itertools
import threading
import weakref
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import replace
from typing import Any

import torch
from lmdeploy.messages import EngineOutput, ResponseType
from lmdeploy.pytorch.engine import Engine

from vlmplug.engine import rope
from vlmplug.engine.generation import Generation, Step, step_of, typed_error
from vlmplug.engine.lasting_thread import LastingThread
from vlmplug.engine.request import (
    EngineRequest,
    check_request,
    generation_config,
    hash_media,
    multimodal_data,
    within_room,
)
from vlmplug.engine.session import Pace, Session
from vlmplug.engine.start import EngineStart
from vlmplug.errors import (
    ContextLengthError,
    EngineError,
    EngineMemoryError,
    EngineOptionError,
    EngineStoppedError,
    VlmplugError,
)
from vlmplug.sampling import Sampling

_STOP_SECONDS = 20.0
_REQUEST = "vlmplug-request"


class EngineActor:
    """A running engine.

    :raises VlmplugError: from the constructor, whatever kept the engine from starting.
    """

    def __init__(self, start: EngineStart) -> None:
        self._start = start
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(LastingThread("vlmplug-engine-helper"))
        self._sessions, self._pace = itertools.count(1), Pace()
        self._generations: weakref.WeakSet[Generation] = weakref.WeakSet()
        self._engine: Engine | None = None
        self._failure: BaseException | None = None
        self._closed = False
        self._gate = threading.RLock()  # nothing may enter the loop behind the work that ends it
        self._thread = threading.Thread(target=self._serve, name="vlmplug-engine", daemon=True)
        self._thread.start()
        atexit.register(self._end_with_program)
        opening = asyncio.run_coroutine_threadsafe(self._open(), self._loop)
        with ExitStack() as undo:
            undo.callback(self.close)
            if (error := opening.exception()) is not None:
                raise typed_error(error, "lmdeploy could not start the engine")
            undo.pop_all()

    @property
    def alive(self) -> bool:
        """Whether it takes requests."""
        return not self._closed and self._failure is None

    @property
    def longest_session(self) -> int:
        """Tokens that a prompt and its answer may take together."""
        return min(int(self._running().max_session_len), self._start.session_length)

    def submit(self, request: EngineRequest) -> Generation:
        """Checks a request and hands it to the engine.

        :raises RequestError: the request cannot be served; the engine is not bothered with it.
        :raises EngineStoppedError: the engine has ended.
        """
        (generation,) = self.submit_together([request])
        if isinstance(generation, VlmplugError):
            raise generation
        return generation

    def submit_together(self, requests: Sequence[EngineRequest]) -> list[Generation | VlmplugError]:
        """As `submit`, what is wrong with one in its place; the engine meets all others at the same moment."""
        checked = [self._checked_or_error(request) for request in requests]
        start = asyncio.Event()
        with self._gate:
            self._running()
            begun = [each if isinstance(each, VlmplugError) else self._begun(each, start) for each in checked]
            self._loop.call_soon_threadsafe(start.set)
        return begun

    def _begun(self, request: EngineRequest, start: asyncio.Event) -> Generation:
        generation = Generation()
        self._generations.add(generation)
        generation.attach(asyncio.run_coroutine_threadsafe(self._generate(request, generation, start), self._loop))
        return generation

    def _checked_or_error(self, request: EngineRequest) -> EngineRequest | VlmplugError:
        try:
            return self._checked(request)
        except VlmplugError as error:
            return error

    def _checked(self, request: EngineRequest) -> EngineRequest:
        """The request as the engine can serve it."""
        longest, model = self.longest_session, self._start.model
        check_request(request, model, longest)
        if request.sampling.prompt_logits and not self._start.reports_logits:
            raise EngineOptionError(
                "prompt_logits needs an engine that reports logits.", 'Set SchedulerOptions(logprobs_mode="logits").'
            )
        hash_media(request.input)
        return within_room(request, model.text_config["vocab_size"], longest)

    def close(self) -> None:
        """Ends all requests, stops the engine and frees its memory; repeating it is harmless.

        Requests under way end with `EngineStoppedError`.
        """
        self.abandon()
        self._thread.join(_STOP_SECONDS)

    def abandon(self) -> None:
        """Closes without waiting: for finalizers, which may run in any thread, the engine's own too."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            asyncio.run_coroutine_threadsafe(self._end(), self._loop)

    def _end_with_program(self) -> None:
        with self._gate:
            for generation in list(self._generations):
                generation.abandon()
        self.close()

    def _serve(self) -> None:
        """Runs the loop; being a method of the actor, it keeps the engine from being collected while it works.

        lmdeploy's tasks must end in the thread they live in: elsewhere they would end that thread's inference mode.
        The first of them that ends would end it for the others here, were it not that of the whole thread.
        """
        with torch.inference_mode():
            self._loop.run_forever()
        self._loop.close()
        self._start.remove()
        atexit.unregister(self._end_with_program)

    async def _end(self) -> None:
        try:
            await self._shut()
        finally:
            self._loop.stop()

    def _running(self) -> Engine:
        if self._engine is None or not self.alive:
            raise EngineStoppedError(f"The engine has stopped{self._why()}.", "Start a new one.") from self._failure
        return self._engine

    def _why(self) -> str:
        return f" ({type(self._failure).__name__}: {self._failure})" if self._failure is not None else ""

    async def _open(self) -> None:
        thresholds = gc.get_threshold()  # lmdeploy sets others for the whole process
        try:
            with torch.inference_mode(False):
                self._engine = self._start.build()
        except torch.OutOfMemoryError as error:
            raise _out_of_memory(error) from error
        finally:
            gc.set_threshold(*thresholds)
        self._engine.start()

    async def _shut(self) -> None:
        for generation in list(self._generations):
            generation.stop()
        await _cancelled(task for task in asyncio.all_tasks() if task.get_name().startswith(_REQUEST))
        if self._engine is not None:
            self._engine.stop()
            await asyncio.wait([asyncio.ensure_future(self._engine.wait_tasks())], timeout=_STOP_SECONDS)
            self._engine = None
        # what lmdeploy leaves behind must not be collected in another thread
        await _cancelled(task for task in asyncio.all_tasks() if task is not asyncio.current_task())
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    async def _generate(self, request: EngineRequest, generation: Generation, start: asyncio.Event) -> None:
        task = asyncio.current_task()
        if task is not None:
            task.set_name(f"{_REQUEST}-{next(self._sessions)}")
        await start.wait()
        if request.sampling.prompt_logits:
            generation.put(await self._prompt_logits(request, generation))
        async with aclosing(self._legs(request, generation)) as steps:
            async for step in steps:
                generation.put(step)

    async def _prompt_logits(self, request: EngineRequest, generation: Generation) -> Step:
        """One token with the whole vocabulary reported: the first row is the raw one of the last prompt position."""
        size = self._start.model.text_config["vocab_size"]
        one = replace(request, sampling=Sampling(max_new_tokens=1, logprobs=size, ignore_stop=True))
        steps = [step async for step in self._steps(one, generation)]
        row = next(logprobs[0].top for step in steps if (logprobs := step.logprobs))
        return Step(prompt_logits=tuple(row[token] for token in range(size)))

    async def _legs(self, request: EngineRequest, generation: Generation) -> AsyncGenerator[Step, None]:
        """The steps of a request, started anew where its length crosses the border of the rotary factors.

        Past that border official code computes everything again with other factors (Phi-3 longrope).
        """
        ids, left, first = request.input.input_ids, request.sampling.max_new_tokens, True
        while True:
            count = min(left, self._tokens_of_leg(len(ids)) or left)
            leg = EngineRequest(replace(request.input, input_ids=ids), replace(request.sampling, max_new_tokens=count))
            produced: list[int] = []
            async with aclosing(self._steps(leg, generation)) as steps:
                async for step in steps:
                    produced += step.token_ids
                    continues = count < left and step.finish_reason == "length"
                    yield replace(
                        step,
                        finish_reason=None if continues else step.finish_reason,
                        cached_tokens=step.cached_tokens if first else 0,
                    )
            if count == left or len(produced) < count:
                return
            ids, left, first = (*ids, *produced), left - count, False

    def _tokens_of_leg(self, prompt_tokens: int) -> int | None:
        """Most tokens that may follow a prompt before the rotary factors change; None: they will not."""
        limit = rope.crossing_limit(self._start.model.text_config)
        return None if limit is None else rope.tokens_before_crossing(prompt_tokens, limit)

    async def _steps(self, request: EngineRequest, generation: Generation) -> AsyncGenerator[Step, None]:
        sampling, prompt = request.sampling, request.input
        config = generation_config(sampling, self._start.model.stop_ids, self._start.seed)
        stop, count = frozenset(config.stop_token_ids or ()), 0
        session = Session(
            next(self._sessions),
            prompt.input_ids,
            config,
            multimodal_data(prompt),
            lambda: generation.is_read,
            self._pace,
        )
        async with aclosing(session.outputs(self._running())) as outputs:
            async for output in outputs:
                self._check(output)
                count += len(output.token_ids)
                yield step_of(output, stop, count >= sampling.max_new_tokens)

    def _check(self, output: EngineOutput) -> None:
        if output.status in (ResponseType.SUCCESS, ResponseType.FINISH, ResponseType.CANCEL):
            return
        if output.status == ResponseType.INPUT_LENGTH_ERROR:
            raise ContextLengthError("The prompt is longer than the engine's cache.", "Shorten it.")
        self._failure = self._failure or _loop_error(self._running()) or EngineError(f"status {output.status.name}")
        if isinstance(self._failure, torch.OutOfMemoryError):
            raise _out_of_memory(self._failure) from self._failure
        if isinstance(self._failure, VlmplugError):
            raise self._failure
        raise EngineStoppedError(
            f"The engine stopped while it worked on this request{self._why()}.", "Send it again: a new engine starts."
        ) from self._failure


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Ends tasks; how they end is of no interest any more."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _loop_error(engine: Engine) -> BaseException | None:
    """What ended lmdeploy's main loop, where it can still be told."""
    task = engine._loop_main
    if task is None or not task.done() or task.cancelled():
        return None
    error: BaseException | None = task.exception()
    return error


def _out_of_memory(error: BaseException) -> EngineMemoryError:
    return EngineMemoryError(
        f"The GPU ran out of memory: {str(error).splitlines()[0]}",
        "Use a smaller cache_share (--cache-max-entry-count), fewer tower_tiles or max_prefill_tokens, or more GPUs "
        "with tp.",
    )
