"""The state of a dialogue: which model answers, its chat, and what holds for all turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from vlmplug.answer_stream import Deltas
from vlmplug.chat import Chat, ChatSettings
from vlmplug.conversation import Conversation, ImagePart, Message, PromptOptions, VideoPart
from vlmplug.errors import ConversationError, EngineStoppedError, VlmplugError
from vlmplug.pipeline import Pipeline, Prepared, Preparer, Request
from vlmplug.question import user_turn
from vlmplug.sampling import Sampling


class Models(Protocol):
    """Finds and starts models, and says how each is sampled."""

    def prepare(self, name: str | None, folder: Path | None = None) -> Preparer:
        """Everything of a model up to the engine; None: the one that the program was started with.

        :param folder: its checkpoint, if it is named.
        """

    def start(self, preparer: Preparer) -> Pipeline:
        """The engine, loaded."""

    def sampling(self, preparer: Preparer) -> Sampling:
        """As the user wants it, and else as the checkpoint does."""


@dataclass(frozen=True)
class Turn:
    """What is asked in one turn, its media opened."""

    text: str
    images: Sequence[ImagePart] = ()
    videos: Sequence[VideoPart] = ()

    @property
    def message(self) -> Message:
        """The user's turn; a tag without a picture is text, because somebody was asked for one and gave none.

        :raises ConversationError: there is nothing at all.
        """
        return user_turn(self.text, list(self.images), list(self.videos))


class Session:
    """One dialogue. A ``with`` block closes its model.

    :param settings: what holds for all turns; its sampling is replaced by the one that ``models`` says.
    """

    def __init__(self, models: Models, settings: ChatSettings) -> None:
        self._models = models
        self._preparer = models.prepare(None)
        self._settings = replace(settings, sampling=models.sampling(self._preparer))
        self._pipeline: Pipeline | None = models.start(self._preparer)
        self.chat = self._new_chat(())

    @property
    def preparer(self) -> Preparer:
        """Of the model that answers."""
        return self._preparer

    def ask(self, turn: Turn) -> Deltas:
        """The answer as it comes; closing the iterator forgets the turn.

        :raises EngineStoppedError: no model is loaded, because the last change failed. Otherwise as `Chat.stream`.
        """
        if self._pipeline is None:
            raise EngineStoppedError("No model is loaded.", "Load one: /model MODEL.")
        return self.chat.stream_turn(turn.message)

    def set_system(self, system: str | None) -> None:
        """Another system prompt (None: the family's own); what was said is forgotten."""
        self._settings = replace(self._settings, system=system)
        self.chat = self._new_chat(())

    def change_model(self, name: str, folder: Path | None = None) -> None:
        """Goes on with another model, which sees what was said and shown as text and media.

        :raises VlmplugError: it cannot be loaded; then the old one goes on.
        """
        preparer = self._models.prepare(name, folder)
        sampling = self._models.sampling(preparer)
        self.close()  # before the other one is started: one device seldom has room for both
        try:
            pipeline = self._models.start(preparer)
        except VlmplugError:
            self._go_on(self._preparer, self._models.start(self._preparer))
            raise
        self._settings = replace(self._settings, sampling=sampling)
        self._go_on(preparer, pipeline)

    def rendered(self, turn: Turn | None) -> Prepared:
        """The prompt that a turn would have now; None: that of the last turn.

        :raises ConversationError: there was none. :raises RequestError: the turn cannot be asked.
        """
        if turn is None:
            if not self.chat.messages or self.chat.messages[-1].role != "assistant":
                raise ConversationError("Nothing has been asked yet.", "Write /render TEXT.")
            messages = self.chat.messages[:-1]
        else:
            messages = (*self.chat.messages, turn.message)
        settings = self._settings
        options = PromptOptions(settings.placement, settings.parse_special_tokens, settings.media_options)
        return self._preparer.prepare(Request(Conversation(messages), options))

    def close(self) -> None:
        """Stops the engine and frees its memory."""
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _go_on(self, preparer: Preparer, pipeline: Pipeline) -> None:
        self._preparer, self._pipeline = preparer, pipeline
        self.chat = self._new_chat([turn for turn in self.chat.messages if turn.role != "system"])

    def _new_chat(self, history: Sequence[Message]) -> Chat:
        if self._pipeline is None:
            raise EngineStoppedError("No model is loaded.", "Load one: /model MODEL.")
        # Ids of one tokenizer mean nothing to another.
        return Chat(self._pipeline, self._settings, [replace(turn, token_ids=None) for turn in history])
