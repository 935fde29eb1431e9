"""From a conversation to an answer: registry, media, hooks and engine in the order of the data."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vlmplug.checkpoint import open_source
from vlmplug.conversation import Conversation, PromptOptions
from vlmplug.errors import EngineMissingError, EngineStoppedError, VlmplugError
from vlmplug.host import PluginHost
from vlmplug.model import EngineInput, FamilyModel, MediaBatch
from vlmplug.prompt import RenderedPrompt
from vlmplug.registry import Registry, load_registry
from vlmplug.sampling import Answer, FinishReason, Sampling, Timings, TokenLogprobs
from vlmplug.stop_words import StopWords
from vlmplug.tokenizer import TextStream

if TYPE_CHECKING:
    from vlmplug.engine.actor import EngineActor
    from vlmplug.engine.generation import Generation, Step
    from vlmplug.engine.options import EngineOptions

#: Threads that prepare the requests of a batch; Pillow and numpy release the interpreter lock.
_PREPARE_THREADS = 8


@dataclass(frozen=True)
class Request:
    """A conversation, how it becomes a prompt, and how it is answered."""

    conversation: Conversation
    options: PromptOptions = field(default_factory=PromptOptions)
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Prepared:
    """A request on its way into the engine: the prompt as text, as ids, and the seconds that it took."""

    prompt: RenderedPrompt
    engine_input: EngineInput
    seconds: float


@dataclass(frozen=True)
class Delta:
    """New text of a streamed answer; the last one carries the whole answer."""

    text: str
    token_ids: tuple[int, ...] = ()
    answer: Answer | None = None


class Preparer:
    """Everything up to the engine: needs neither torch nor weights."""

    def __init__(self, host: PluginHost, model: FamilyModel) -> None:
        self._host = host
        self.model = model

    def prepare(self, request: Request) -> Prepared:
        """Opens the media, renders, preprocesses and injects.

        :raises RequestError: the request cannot be served; PluginError: a hook misbehaved.
        """
        start = time.perf_counter()
        conversation, prompt = self._rendered(request)
        batch = MediaBatch(conversation.media, prompt.items)
        inputs = self._host.preprocess_media(self.model, batch) if batch.items else ()
        engine_input = self._host.inject_vision_tokens(self.model, prompt, inputs)
        return Prepared(prompt, engine_input, time.perf_counter() - start)

    def check(self, request: Request) -> None:
        """Raises what `prepare` would raise about media, conversation and options, before a model is loaded for them.

        Nothing is preprocessed for it.
        """
        self._rendered(request)

    def _rendered(self, request: Request) -> tuple[Conversation, RenderedPrompt]:
        conversation = request.conversation.opened()
        return conversation, self._host.render_prompt(self.model, conversation, request.options)


class Pipeline:
    """A loaded model. Usable from several threads; a `with` block closes it.

    An engine that fails is replaced by the next request; a pipeline that was closed stays closed.
    """

    def __init__(self, preparer: Preparer, options: EngineOptions) -> None:
        self._preparer, self._options = preparer, options
        self._closed = False
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

    def stream(self, request: Request) -> Iterator[Delta]:
        """The answer as it comes; closing the iterator ends the engine's work on it.

        :raises RequestError: the request cannot be served.
        :raises EngineError: the engine failed, and the next request starts a new one; or the pipeline is closed.
        """
        prepared = self.prepare(request)
        yield from _AnswerStream(self.model, request.sampling, prepared).run(self._submit(prepared, request.sampling))

    def generate(self, request: Request) -> Answer:
        """The whole answer; raises as `stream` does."""
        return _last(self.stream(request))

    def generate_batch(self, requests: Sequence[Request]) -> list[Answer | VlmplugError]:
        """Answers in the order of the requests; one that fails yields its error in its place."""
        with ThreadPoolExecutor(_PREPARE_THREADS) as pool:
            streams = list(pool.map(self._begin, requests))
        return [_settled(stream) for stream in streams]

    def _begin(self, request: Request) -> Iterator[Delta] | VlmplugError:
        try:
            prepared = self.prepare(request)
            generation = self._submit(prepared, request.sampling)
        except VlmplugError as error:
            return error
        return _AnswerStream(self.model, request.sampling, prepared).run(generation)

    def _submit(self, prepared: Prepared, sampling: Sampling) -> Generation:
        from vlmplug.engine.request import EngineRequest

        return self._running().submit(EngineRequest(prepared.engine_input, sampling))

    def _running(self) -> EngineActor:
        """The engine, a new one where it has failed."""
        with self._replacing:
            if self._closed:
                raise EngineStoppedError("This pipeline is closed.", "Open a new one.")
            if not self._engine.alive:
                self._engine.close()
                self._collected.detach()
                self._engine = self._start()
                self._collected = weakref.finalize(self, self._engine.abandon)
            return self._engine

    def _start(self) -> EngineActor:
        from vlmplug.engine.pillow import pillow_unchanged

        try:
            with pillow_unchanged():
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


class _AnswerStream:
    """Turns the steps of one generation into deltas and the answer."""

    def __init__(self, model: FamilyModel, sampling: Sampling, prepared: Prepared) -> None:
        self._prepared = prepared
        self._text = TextStream(model.tokenizer)
        self._words = StopWords(sampling.stop_words)
        self._ids: list[int] = []
        self._logprobs: list[TokenLogprobs] = []
        self._said: list[str] = []
        self._cached = 0
        self._prompt_logits: tuple[float, ...] | None = None
        self._begin = time.perf_counter()
        self._first = 0.0

    def run(self, generation: Generation) -> Iterator[Delta]:
        finish: FinishReason = "cancelled"
        try:
            for step in generation:
                yield self._delta(step, self._words.push(self._text.push(step.token_ids)))
                if self._words.hit:
                    finish = "stop"
                    break
                finish = step.finish_reason or finish
        finally:
            generation.cancel()
        rest = "" if self._words.hit else self._words.push(self._text.finish()) + self._words.finish()
        self._said.append(rest)
        yield Delta(rest, (), self._answer(finish))

    def _delta(self, step: Step, text: str) -> Delta:
        if step.token_ids and not self._first:
            self._first = time.perf_counter() - self._begin
        self._ids += step.token_ids
        self._logprobs += step.logprobs
        self._prompt_logits = self._prompt_logits or step.prompt_logits
        self._cached = max(self._cached, step.cached_tokens)
        self._said.append(text)
        return Delta(text, step.token_ids)

    def _answer(self, finish: FinishReason) -> Answer:
        prompt = self._prepared.engine_input
        timings = Timings(self._prepared.seconds, self._first, time.perf_counter() - self._begin)
        return Answer(
            text="".join(self._said),
            token_ids=tuple(self._ids),
            finish_reason=finish,
            prompt_tokens=len(prompt.input_ids),
            media_tokens=prompt.media_tokens,
            cached_tokens=self._cached,
            timings=timings,
            logprobs=tuple(self._logprobs),
            prompt_logits=self._prompt_logits,
        )


def _last(deltas: Iterable[Delta]) -> Answer:
    answer: Answer | None = None
    for delta in deltas:
        answer = delta.answer or answer
    if answer is None:
        raise EngineStoppedError("The engine ended without an answer.", "Ask again.")
    return answer


def _settled(stream: Iterator[Delta] | VlmplugError) -> Answer | VlmplugError:
    if isinstance(stream, VlmplugError):
        return stream
    try:
        return _last(stream)
    except VlmplugError as error:
        return error


def open_preparer(model_type: str, folder: Path | None = None, registry: Registry | None = None) -> Preparer:
    """Everything up to the engine, for a model type and a model folder.

    :param folder: model folder; None: the checkpoint that the plugin embeds.
    :raises RegistryError: no such model type; CheckpointError: the folder does not fit it.
    """
    registry = registry or load_registry()
    host = PluginHost(registry)
    return Preparer(host, host.load_model(open_source(registry, model_type, folder)))


def open_pipeline(
    model_type: str,
    folder: Path | None = None,
    options: EngineOptions | None = None,
    registry: Registry | None = None,
) -> Pipeline:
    """A loaded model, ready to answer.

    :raises VlmplugError: whatever keeps it from loading, before anything hangs.
    """
    from vlmplug.engine.options import EngineOptions

    return Pipeline(open_preparer(model_type, folder, registry), options or EngineOptions())


__all__ = ["Delta", "Pipeline", "Prepared", "Preparer", "Request", "open_pipeline", "open_preparer"]
