"""What a caller asks, in whatever form is at hand, as a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from vlmplug.conversation import (
    Conversation,
    ImagePart,
    MediaOptions,
    Message,
    Part,
    Placement,
    PromptOptions,
    TextPart,
    VideoPart,
    system_message,
)
from vlmplug.errors import ConversationError, OptionError
from vlmplug.media import ClipSource, PictureSource
from vlmplug.media_places import check_places
from vlmplug.pipeline import Request
from vlmplug.sampling import Sampling

#: One picture or a list or tuple of them; each as it is, or as an `ImagePart` with media options of its own.
Images: TypeAlias = "PictureSource | ImagePart | Sequence[PictureSource | ImagePart]"
#: One clip or a list or tuple of them; a clip of chosen frames is a list within the list.
Videos: TypeAlias = "ClipSource | VideoPart | Sequence[ClipSource | VideoPart]"


@dataclass(frozen=True)
class Question:
    """One question in full.

    - ``images``, ``videos``: what it is about; one or several.
    - ``system``: system prompt; None is the family's own, ``""`` an explicitly empty one.
    - ``sampling``: None: as the checkpoint asks.
    - ``media_options``: the family's media options for all of its pictures and clips.
    - ``placement``: ``beside``: tags in the text (``<image>``) are the places of pictures, the others go in front, and
      tags without a picture are refused; ``inline``: all go in front and the text stays as it is; ``family``: as the
      family's official helper does.
    - ``parse_special_tokens``: read special tokens out of the text; without it text is text.
    """

    text: str
    images: Images = ()
    videos: Videos = ()
    system: str | None = None
    sampling: Sampling | None = None
    media_options: MediaOptions = field(default_factory=dict)
    placement: Placement = "beside"
    parse_special_tokens: bool = False

    @property
    def message(self) -> Message:
        """The user's turn.

        :raises ConversationError: the text is no string, or there is nothing at all.
        :raises PlacementError: tags of the text are places, and there are more of them than pictures or clips.
        """
        message = user_turn(self.text, self.images, self.videos)
        if self.placement == "beside":
            check_places(message)
        return message

    @property
    def prompt_options(self) -> PromptOptions:
        """How it becomes a prompt."""
        return PromptOptions(self.placement, self.parse_special_tokens, self.media_options)


def user_turn(text: Any, images: Images, videos: Videos) -> Message:
    """A user's turn with its media in front; whether tags of its text have media is not looked at.

    :raises ConversationError: the text is no string, or there is nothing at all.
    """
    if not isinstance(text, str):
        raise ConversationError(f"The question is a {type(text).__name__}.", "Ask with a string.")
    media = (*_parts(images, "images", ImagePart), *_parts(videos, "videos", VideoPart))
    if not text.strip() and not media:
        raise ConversationError("The question is empty.", "Ask something, or give a picture.")
    return Message("user", (*media, TextPart(text)))


#: A text, a question with all that belongs to it, turns that end with the user's, or a request, which says everything.
Asked: TypeAlias = "str | Question | Conversation | Sequence[Message] | Request"


def question_of(asked: Asked, images: Images, videos: Videos, media_options: MediaOptions | None) -> Asked:
    """A text with what was given beside it as a `Question`; anything else as it is.

    :raises ConversationError: pictures, clips or media options beside something that holds its own.
    """
    if isinstance(asked, str):
        return Question(asked, images, videos, media_options=media_options or {})
    if media_options is not None or not (_nothing(images) and _nothing(videos)):
        raise ConversationError(
            f"Pictures, clips or media options stand beside a {type(asked).__name__}, which holds its own.",
            "Put them into it, or ask with a string.",
        )
    return asked


def _nothing(given: Any) -> bool:
    return isinstance(given, list | tuple) and not given


def request_of(asked: Asked, sampling: Sampling) -> Request:
    """A question in any form as a request.

    :param sampling: for questions that bring none.
    :raises ConversationError: it is nothing that can be asked. :raises OptionError: the sampling is no `Sampling`.
    """
    given: Any = asked
    if isinstance(given, Request):
        return given
    if isinstance(given, str):
        given = Question(given)
    if isinstance(given, Question):
        system = () if given.system is None else (system_message(given.system),)
        conversation = Conversation((*system, given.message))
        return Request(conversation, given.prompt_options, check_sampling(given.sampling or sampling))
    if isinstance(given, list | tuple):
        given = Conversation(tuple(given))
    if not isinstance(given, Conversation):
        raise ConversationError(
            f"What is asked is of type {type(given).__name__}.", "Give a string, a Question, or messages."
        )
    return Request(given, PromptOptions(), check_sampling(sampling))


def check_sampling(sampling: object) -> Sampling:
    """``sampling`` itself.

    :raises OptionError: it is something else.
    """
    if not isinstance(sampling, Sampling):
        raise OptionError(f"sampling is a {type(sampling).__name__}.", "Write Sampling(max_new_tokens=…).")
    return sampling


def _parts(given: Any, name: str, kind: type[ImagePart] | type[VideoPart]) -> Iterator[Part]:
    """Sources as parts that are called ``images[0]``, ``images[1]``, …; a single one that is no list is the first."""
    sources: Sequence[Any] = given if isinstance(given, list | tuple) else (given,)
    for index, source in enumerate(sources):
        called = f"{name}[{index}]"
        part = source if isinstance(source, kind) else kind(source)
        yield replace(part, name=part.name or called)
