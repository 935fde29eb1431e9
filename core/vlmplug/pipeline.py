"""From a conversation to an answer: registry, media, hooks and engine in the order of the data."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vlmplug.answer_stream import AnswerStream, Delta, Deltas
from vlmplug.batch import Batch, Beginning, Begun, begin
from vlmplug.checkpoint import open_source
from vlmplug.conversation import Conversation
from vlmplug.deadline import DeadlineError, call_watched
from vlmplug.errors import EngineMissingError, EngineStoppedError, VlmplugError
from vlmplug.event_loop import run_apart
from vlmplug.foreign_error import as_request_error
from vlmplug.host import PluginHost
from vlmplug.host_options import HostOptions
from vlmplug.media_option import MediaOption
from vlmplug.media_policy import MediaPolicy
from vlmplug.model import EngineInput, FamilyModel, MediaBatch
from vlmplug.prompt import RenderedPrompt
from vlmplug.registry import Registry, load_registry
from vlmplug.request import Request
from vlmplug.sampling import Answer
from vlmplug.workers import Workers

if TYPE_CHECKING:
    from vlmplug.engine.actor import EngineActor
    from vlmplug.engine.generation import Generation
    from vlmplug.engine.options import EngineOptions
    from vlmplug.engine.request import EngineRequest
    from vlmplug.hub.options import HubOptions

#: Threads that prepare requests; Pillow and numpy release the interpreter lock.
_PREPARE_THREADS = 8


@dataclass(frozen=True)
class Prepared:
    """A request on its way into the engine: the prompt as text, as ids, and the seconds that it took.

    ``picture_size``: width and height of the last picture in it; None: there is none.
    """

    prompt: RenderedPrompt
    engine_input: EngineInput
    seconds: float
    picture_size: tuple[int, int] | None = None


class Preparer:
    """Everything up to the engine: needs neither torch nor weights."""

    def __init__(self, host: PluginHost, model: FamilyModel, policy: MediaPolicy | None = None) -> None:
        self._host = host
        self._policy = policy
        self.model = model

    @property
    def media_options(self) -> Mapping[str, MediaOption]:
        """What the family lets a caller choose for pictures and clips."""
        return self._host.registry.family(self.model.family).media_options

    def prepare(self, request: Request) -> Prepared:
        """Opens the media, renders, preprocesses and injects.

        :raises RequestError: the request cannot be served; PluginError: a hook misbehaved.
        """
        with as_request_error():
            return self._prepared(request)

    def _prepared(self, request: Request) -> Prepared:
        start = time.perf_counter()
        conversation, prompt = self._rendered(request)
        batch = MediaBatch(conversation.media, prompt.items)
        inputs = self._host.preprocess_media(self.model, batch) if batch.items else ()
        engine_input = self._host.inject_vision_tokens(self.model, prompt, inputs)
        return Prepared(prompt, engine_input, time.perf_counter() - start, batch.last_size)

    def prepare_all(self, requests: Sequence[Request]) -> list[Prepared | VlmplugError]:
        """As `prepare`, in a row; errors stand in their requests' places."""
        try:
            return call_watched(lambda: [self._prepared_or_error(request) for request in requests])
        except DeadlineError:  # some hook does not end: once more, to learn for which request
            return [self._prepared_or_error(request) for request in requests]

    def _prepared_or_error(self, request: Request) -> Prepared | VlmplugError:
        try:
            return self.prepare(request)
        except VlmplugError as error:
            return error

    def check(self, request: Request) -> None:
        """Raises what `prepare` would raise about media, conversation and options, before a model is loaded for them.

        Nothing is preprocessed for it.
        """
        with as_request_error():
            self._rendered(request)

    def opened(self, request: Request) -> Request:
        """The same request with every picture and clip read, so that another request can use them again.

        :raises MediaError: naming what cannot be read.
        """
        with as_request_error():
            return replace(request, conversation=request.conversation.opened(self._policy))

    def _rendered(self, request: Request) -> tuple[Conversation, RenderedPrompt]:
        conversation = self.opened(request).conversation
        return conversation, self._host.render_prompt(self.model, conversation, request.options)


class Pipeline:
    """A loaded model. Usable from several threads; a `with` block closes it.

    An engine that fails is replaced by the next request; a pipeline that was closed stays closed.
    """

    def __init__(self, preparer: Preparer, options: EngineOptions) -> None:
        self._preparer, self._options = preparer, options
        self._closed = False
        self._workers = Workers(_PREPARE_THREADS, "vlmplug-prepare")
        self._replacing = threading.Lock()
        self._engine: EngineActor = self._start()
        self._collected = weakref.finalize(self, self._engine.abandon)

    @property
    def model(self) -> FamilyModel:
        """What `load_model` said about the checkpoint."""
        return self._preparer.model

    def prepare(self, request: Request) -> Prepared:
        """The prompt of a request, without running it."""
        return self._preparer.prepare(request)

    @property
    def media_options(self) -> Mapping[str, MediaOption]:
        """What the family lets a caller choose for pictures and clips."""
        return self._preparer.media_options

    def opened(self, request: Request) -> Request:
        """The same request with its media read; see `Preparer.opened`."""
        return self._preparer.opened(request)

    async def aopened(self, request: Request) -> Request:
        """As `opened`, for an event loop."""
        return await asyncio.wrap_future(self._workers.submit(partial(self.opened, request)))

    def stream(self, request: Request) -> Deltas:
        """The answer as it comes; closing the iterator ends the engine's work on it.

        :raises RequestError: the request cannot be served.
        :raises EngineError: the engine failed, and the next request starts a new one; or the pipeline is closed.
        """
        begun = self.begin(request)
        yield from begun.answer.deltas(begun.generation)

    def generate(self, request: Request) -> Answer:
        """The whole answer; raises as `stream` does."""
        begun = self.begin(request)
        return begun.answer.whole(begun.generation)

    def generate_batch(self, requests: Sequence[Request]) -> list[Answer | VlmplugError]:
        """Answers in the order of the requests; one that fails yields its error in its place."""
        return run_apart(self.agenerate_batch(requests))

    async def astream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """As `stream`, for an event loop; cancelling the task that iterates ends the engine's work too."""
        begun = await self._abegin(request)
        async with aclosing(begun.answer.arriving(begun.generation)) as deltas:
            async for delta in deltas:
                yield delta

    async def agenerate(self, request: Request) -> Answer:
        """The whole answer; raises as `stream` does."""
        return await (await self._abegin(request)).whole()

    async def agenerate_batch(self, requests: Sequence[Request]) -> list[Answer | VlmplugError]:
        """As `generate_batch`, for an event loop; cancelling it cancels all requests."""
        return await Batch(self, self._workers, requests).answers()

    def begin(self, request: Request) -> Begun:
        """Prepares a request and hands it to the engine; raises as `stream` does."""
        prepared = self.prepare(request)
        return Begun(self._answer(prepared, request), self._running().submit(_engine_request(prepared, request)))

    def begin_together(self, requests: Sequence[Request]) -> list[Beginning]:
        """Prepares requests one after the other and hands them over in one go; errors stand in their places."""
        prepared = self._preparer.prepare_all(requests)
        ready = [(each, r) for each, r in zip(prepared, requests, strict=True) if isinstance(each, Prepared)]
        answers = [self._answer(*each) for each in ready]
        generations = self._running().submit_together([_engine_request(*each) for each in ready])
        begun = map(_begun, answers, generations)
        return [each if isinstance(each, VlmplugError) else next(begun) for each in prepared]

    def _answer(self, prepared: Prepared, request: Request) -> AnswerStream:
        size = prepared.picture_size
        return AnswerStream(self.model, request.sampling, prepared.engine_input, prepared.seconds, size)

    async def _abegin(self, request: Request) -> Begun:
        return await begin(self._workers, partial(self.begin, request))

    def _running(self) -> EngineActor:
        """The engine, a new one where it has failed."""
        with self._replacing:
            if self._closed:
                raise EngineStoppedError("The model was closed.", "Load it again.")
            if not self._engine.alive:
                self._engine.close()
                self._collected.detach()
                self._engine = self._start()
                self._collected = weakref.finalize(self, self._engine.abandon)
            return self._engine

    def _start(self) -> EngineActor:
        try:
            from vlmplug.engine.late_compile import compiled_when_called
            from vlmplug.engine.pillow import pillow_unchanged

            with pillow_unchanged(), compiled_when_called():
                from vlmplug.engine.actor import EngineActor
                from vlmplug.engine.start import EngineStart
        except ImportError as error:
            raise EngineMissingError(
                f"The engine cannot be imported: {error}.", 'Run: pip install "vlmplug[engine]".'
            ) from error
        return EngineActor(EngineStart(self.model, self._options))

    def close(self) -> None:
        """Stops the engine and frees its memory; repeating it is harmless.

        Requests under way and all later ones end with `EngineStoppedError`.
        """
        with self._replacing:
            self._closed = True
            self._engine.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _engine_request(prepared: Prepared, request: Request) -> EngineRequest:
    from vlmplug.engine.request import EngineRequest

    return EngineRequest(prepared.engine_input, request.sampling)


def _begun(answer: AnswerStream, generation: Generation | VlmplugError) -> Beginning:
    return generation if isinstance(generation, VlmplugError) else Begun(answer, generation)


def open_preparer(
    model_type: str,
    folder: Path | None = None,
    registry: Registry | None = None,
    host: HostOptions | None = None,
    hub: HubOptions | None = None,
    media: MediaPolicy | None = None,
) -> Preparer:
    """Everything up to the engine, for a model type and a model folder.

    :param folder: model folder; None: the checkpoint that the plugin embeds, else the one of a hub.
    :param host: deadlines of hooks, and who watches their calls.
    :param hub: where to download the checkpoint from where it is not in the hubs' caches; None: nothing is downloaded.
    :param media: which files and addresses may be read for pictures and clips.
    :raises RegistryError: no such model type; CheckpointError: the folder does not fit it.
    :raises HubError: the checkpoint cannot be downloaded.
    """
    registry = registry or load_registry()
    plugins = PluginHost(registry, host)
    return Preparer(plugins, plugins.load_model(open_source(registry, model_type, folder, hub)), media)


def open_pipeline(
    model_type: str,
    folder: Path | None = None,
    options: EngineOptions | None = None,
    registry: Registry | None = None,
    host: HostOptions | None = None,
    hub: HubOptions | None = None,
) -> Pipeline:
    """A loaded model, ready to answer; ``host`` and ``hub`` as for `open_preparer`.

    :raises VlmplugError: whatever keeps it from loading, before anything hangs.
    """
    from vlmplug.engine.options import EngineOptions

    return Pipeline(open_preparer(model_type, folder, registry, host, hub), options or EngineOptions())


__all__ = ["Delta", "Pipeline", "Prepared", "Preparer", "Request", "open_pipeline", "open_preparer"]
