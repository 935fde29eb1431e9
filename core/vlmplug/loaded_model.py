"""A model that was loaded: ask it, at once or as the answer comes, from ordinary code or from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType

from vlmplug.answer_stream import Delta, Deltas
from vlmplug.chat import Chat, ChatSettings
from vlmplug.conversation import MediaOptions, Message
from vlmplug.errors import ConversationError, VlmplugError
from vlmplug.foreign_error import as_request_error
from vlmplug.media_option import MediaOption
from vlmplug.pipeline import Pipeline, Request
from vlmplug.question import Asked, Images, Videos, question_of, request_of
from vlmplug.sampling import Answer, Sampling


@dataclass(frozen=True)
class FailedRequest:
    """What stands in the place of an answer where one request of a batch failed; ``index`` counts from 0."""

    index: int
    error: VlmplugError

    def __str__(self) -> str:
        return f"request {self.index}: {self.error}"


class LoadedModel:
    """A model, ready to answer; usable from several threads and event loops at once. A ``with`` block closes it.

    A question is a string, with its pictures and clips beside it; or a `Question`, which holds them itself; or
    messages that end with the user's turn; or a `Request`, which says everything.

    Every method raises `RequestError` where the request cannot be served (nothing else is affected then), `PluginError`
    where a hook misbehaves, and `EngineError` where the engine failed or the model was closed.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    @property
    def model_type(self) -> str:
        """Its model type."""
        return self.pipeline.model.model_type

    @property
    def sampling(self) -> Sampling:
        """How the checkpoint asks to be sampled, which holds wherever no other `Sampling` is given."""
        return self.pipeline.model.sampling.sampling

    @property
    def media_options(self) -> Mapping[str, MediaOption]:
        """The media options of its family: name, type, range and default of each."""
        return self.pipeline.media_options

    def generate(
        self,
        question: Asked,
        *,
        images: Images = (),
        videos: Videos = (),
        sampling: Sampling | None = None,
        media_options: MediaOptions | None = None,
    ) -> Answer:
        """The whole answer.

        :param images: one picture or a list of them: path, address, bytes, binary file, PIL image, numpy array.
        :param videos: one clip or a list of them: path, address, bytes, binary file, or a list of its frames.
        :param sampling: None: as the checkpoint asks.
        :param media_options: the family's own, for all pictures and clips; see `media_options`.
        """
        return self.pipeline.generate(self._request(question, images, videos, sampling, media_options))

    def stream(
        self,
        question: Asked,
        *,
        images: Images = (),
        videos: Videos = (),
        sampling: Sampling | None = None,
        media_options: MediaOptions | None = None,
    ) -> Deltas:
        """The answer as it comes; the last delta carries it whole. Closing the iterator ends the engine's work."""
        yield from self.pipeline.stream(self._request(question, images, videos, sampling, media_options))

    def batch(self, questions: Sequence[Asked], *, sampling: Sampling | None = None) -> list[Answer | FailedRequest]:
        """The answers in the order of the questions; one that fails leaves a `FailedRequest` in its place.

        :param sampling: for questions that bring none; None: as the checkpoint asks.
        """
        asked = self._requests(questions, sampling)
        return _in_place(asked, self.pipeline.generate_batch(_valid(asked)))

    async def agenerate(
        self,
        question: Asked,
        *,
        images: Images = (),
        videos: Videos = (),
        sampling: Sampling | None = None,
        media_options: MediaOptions | None = None,
    ) -> Answer:
        """As `generate`, for an event loop; cancelling it ends the engine's work."""
        return await self.pipeline.agenerate(self._request(question, images, videos, sampling, media_options))

    async def astream(
        self,
        question: Asked,
        *,
        images: Images = (),
        videos: Videos = (),
        sampling: Sampling | None = None,
        media_options: MediaOptions | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """As `stream`, for an event loop; leaving the ``async for`` or cancelling its task ends the engine's work."""
        request = self._request(question, images, videos, sampling, media_options)
        async with aclosing(self.pipeline.astream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def abatch(
        self, questions: Sequence[Asked], *, sampling: Sampling | None = None
    ) -> list[Answer | FailedRequest]:
        """As `batch`, for an event loop; cancelling it ends the engine's work on all of them."""
        asked = self._requests(questions, sampling)
        return _in_place(asked, await self.pipeline.agenerate_batch(_valid(asked)))

    def chat(
        self,
        system: str | None = None,
        *,
        messages: Sequence[Message] = (),
        sampling: Sampling | None = None,
        media_options: MediaOptions | None = None,
    ) -> Chat:
        """A conversation that remembers what was said and shown.

        :param system: system prompt; None is the family's own, ``""`` an explicitly empty one.
        :param messages: turns to begin with, ending with the assistant's.
        """
        settings = ChatSettings(system, self.sampling if sampling is None else sampling, media_options or {})
        return Chat(self.pipeline, settings, messages)

    def _request(
        self,
        question: Asked,
        images: Images,
        videos: Videos,
        sampling: Sampling | None,
        media_options: MediaOptions | None,
    ) -> Request:
        asked = question_of(question, images, videos, media_options)
        return request_of(asked, self.sampling if sampling is None else sampling)

    def _requests(self, questions: Sequence[Asked], sampling: Sampling | None) -> list[Request | VlmplugError]:
        chosen = self.sampling if sampling is None else sampling
        if isinstance(questions, str | bytes) or not isinstance(questions, Iterable):
            raise ConversationError(f"The questions are of type {type(questions).__name__}.", "Give a list of them.")
        return [_request_or_error(question, chosen) for question in questions]

    def close(self) -> None:
        """Stops the engine and frees its memory; repeating it is harmless. Requests under way end with an error."""
        self.pipeline.close()

    async def aclose(self) -> None:
        """As `close`, for an event loop."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> LoadedModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> LoadedModel:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _request_or_error(question: Asked, sampling: Sampling) -> Request | VlmplugError:
    try:
        with as_request_error():
            return request_of(question, sampling)
    except VlmplugError as error:
        return error


def _valid(asked: Sequence[Request | VlmplugError]) -> list[Request]:
    return [request for request in asked if isinstance(request, Request)]


def _in_place(
    asked: Sequence[Request | VlmplugError], outcomes: Sequence[Answer | VlmplugError]
) -> list[Answer | FailedRequest]:
    """The outcomes of the valid ones at their places among all."""
    left = iter(outcomes)
    both = [given if isinstance(given, VlmplugError) else next(left) for given in asked]
    return [FailedRequest(index, one) if isinstance(one, VlmplugError) else one for index, one in enumerate(both)]
