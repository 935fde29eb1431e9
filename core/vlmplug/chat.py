"""A conversation with a loaded model that remembers what was said and shown."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from vlmplug.answer_stream import Delta, Deltas, complete
from vlmplug.conversation import (
    Conversation,
    MediaOptions,
    Message,
    Placement,
    PromptOptions,
    assistant_message,
    system_message,
)
from vlmplug.errors import ConversationError
from vlmplug.pipeline import Pipeline, Request
from vlmplug.question import Images, Question, Videos, check_sampling
from vlmplug.sampling import Answer, Sampling


@dataclass(frozen=True)
class ChatSettings:
    """What holds for all turns of a chat.

    - ``system``: system prompt; None is the family's own, ``""`` an explicitly empty one.
    - ``sampling``: for turns that bring none.
    - ``media_options``, ``placement``, ``parse_special_tokens``: as in a `Question`.
    """

    system: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    media_options: MediaOptions = field(default_factory=dict)
    placement: Placement = "beside"
    parse_special_tokens: bool = False


class Chat:
    """One conversation; each turn sees all earlier ones, their pictures and clips, and the ids that were generated.

    Media are read once, in the turn that brings them. A turn whose answer was not finished, because of an error or
    because its stream was closed, leaves the history as it was.

    :param history: turns to begin with, without a system turn, ending with the assistant's.
    """

    def __init__(self, pipeline: Pipeline, settings: ChatSettings, history: Sequence[Message] = ()) -> None:
        check_sampling(settings.sampling)
        self._pipeline, self._settings = pipeline, settings
        self._history = tuple(history)
        self._answering = threading.Lock()

    @property
    def messages(self) -> tuple[Message, ...]:
        """All turns so far, the system's first if there is one."""
        system = self._settings.system
        return self._history if system is None else (system_message(system), *self._history)

    def clear(self) -> None:
        """Forgets all turns; the system prompt stays."""
        self._history = ()

    def stream(
        self, question: str, *, images: Images = (), videos: Videos = (), sampling: Sampling | None = None
    ) -> Deltas:
        """The answer as it comes; closing the iterator ends the engine's work on it.

        :raises ConversationError: this chat is answering already. Otherwise as `LoadedModel.stream`.
        """
        yield from self.stream_turn(self._asked(question, images, videos), sampling=sampling)

    def stream_turn(self, turn: Message, *, sampling: Sampling | None = None) -> Deltas:
        """As `stream`, for a turn as a message; tags of its text for which there is no picture are text."""
        with self._turn():
            request = self._pipeline.opened(self._request(turn, sampling))
            for delta in self._pipeline.stream(request):
                self._keep(request, delta.answer)
                yield delta

    def generate(
        self, question: str, *, images: Images = (), videos: Videos = (), sampling: Sampling | None = None
    ) -> Answer:
        """The whole answer; raises as `stream` does."""
        answer: Answer | None = None
        for delta in self.stream(question, images=images, videos=videos, sampling=sampling):
            answer = delta.answer
        return complete(answer)

    async def astream(
        self, question: str, *, images: Images = (), videos: Videos = (), sampling: Sampling | None = None
    ) -> AsyncGenerator[Delta, None]:
        """As `stream`, for an event loop."""
        with self._turn():
            turn = self._asked(question, images, videos)
            request = await self._pipeline.aopened(self._request(turn, sampling))
            async with aclosing(self._pipeline.astream(request)) as deltas:
                async for delta in deltas:
                    self._keep(request, delta.answer)
                    yield delta

    async def agenerate(
        self, question: str, *, images: Images = (), videos: Videos = (), sampling: Sampling | None = None
    ) -> Answer:
        """As `generate`, for an event loop."""
        answer: Answer | None = None
        async with aclosing(self.astream(question, images=images, videos=videos, sampling=sampling)) as deltas:
            async for delta in deltas:
                answer = delta.answer
        return complete(answer)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._answering.acquire(blocking=False):
            raise ConversationError("This chat is answering already.", "Wait for the answer, or close its stream.")
        try:
            yield
        finally:
            self._answering.release()

    def _asked(self, question: str, images: Images, videos: Videos) -> Message:
        return Question(question, images, videos, placement=self._settings.placement).message

    def _request(self, turn: Message, sampling: Sampling | None) -> Request:
        settings = self._settings
        options = PromptOptions(settings.placement, settings.parse_special_tokens, settings.media_options)
        chosen = check_sampling(settings.sampling if sampling is None else sampling)
        return Request(Conversation((*self.messages, turn)), options, chosen)

    def _keep(self, request: Request, answer: Answer | None) -> None:
        """Adds a finished turn; the ids that were generated stay with it unless a stop word cut its text."""
        if answer is None or answer.finish_reason == "cancelled":
            return
        whole = self._pipeline.model.tokenizer.decode(answer.token_ids) == answer.text
        said = assistant_message(answer.text, answer.token_ids if whole else None)
        self._history = (*(turn for turn in request.conversation.turns), said)
