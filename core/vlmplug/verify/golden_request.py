"""Cases of a set as requests to a plugin: conversations, prompt options, media options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from vlmplug.conversation import (
    Conversation,
    ImagePart,
    Message,
    Part,
    PromptOptions,
    Role,
    TextPart,
    VideoPart,
)
from vlmplug.errors import ConversationError
from vlmplug.media import Clip, FrameSequence, Picture, open_clip
from vlmplug.pipeline import Request
from vlmplug.prompt import MediaSlot, RenderedPrompt
from vlmplug.sampling import Sampling
from vlmplug.verify.goldens import ChosenFrames, GoldenMessage, GoldenPart, GoldenSet, PromptCase
from vlmplug.verify.pictures import drawn_clip, make_picture

_PROMPT_OPTIONS = ("placement", "parse_special_tokens")


def prompt_request(golden: GoldenSet, case: PromptCase, sampling: Sampling | None = None) -> Request:
    """The request that a conversation of the set stands for.

    A list option with one entry a picture goes to the pictures (null: nothing for that one), placement and
    parse_special_tokens are prompt options, and everything else is a media option of the whole request.

    :raises ConversationError: the conversation holds something that vlmplug's conversations cannot hold.
    """
    builder = _Builder(golden, _picture_options(case))
    conversation = Conversation(tuple(builder.messages(case.messages)))
    options = PromptOptions(
        placement=case.options.get("placement", golden.placement_default),
        parse_special_tokens=case.options.get("parse_special_tokens", False),
        media=_request_options(case),
    )
    return Request(conversation, options, sampling or Sampling())


def media_request(part: ImagePart | VideoPart, options: Mapping[str, Any]) -> Request:
    """A request with one picture or clip, for what preparing it gives."""
    message = Message("user", (part, TextPart("Describe it.")))
    return Request(Conversation((message,)), PromptOptions(media=options))


@dataclass(frozen=True)
class _Builder:
    """Turns messages into ours; ``picture_options`` holds the options of each picture, in order."""

    golden: GoldenSet
    picture_options: Iterator[Mapping[str, Any]]

    def messages(self, messages: tuple[GoldenMessage, ...]) -> Iterator[Message]:
        for index, message in enumerate(messages):
            if message.content is None:
                raise ConversationError(f"messages[{index}] holds explicitly nothing.", "Leave the turn out.")
            yield Message(
                cast(Role, message.role),
                tuple(map(self._part, message.content)),
                metadata=message.extras.get("metadata", ""),
                tools=tuple(message.extras.get("tools", ())),
            )

    def _part(self, part: GoldenPart) -> Part:
        if part.type == "text":
            return TextPart(part.value)
        if part.type == "image":
            return ImagePart(self._picture(part.value), next(self.picture_options))
        return VideoPart(self._clip(part.value))

    def _picture(self, name: str) -> Picture:
        return Picture(make_picture(self.golden.pictures[name], self.golden.folder))

    def _clip(self, name: str) -> Clip:
        video = self.golden.videos[name]
        if isinstance(video, ChosenFrames):
            return cast(FrameSequence, open_clip([self._picture(frame) for frame in video.frames], name))
        return drawn_clip(video, name)


def _picture_options(case: PromptCase) -> Iterator[Mapping[str, Any]]:
    lists = {name: value for name, value in case.options.items() if _is_per_picture(value, case)}
    for picture in range(_picture_count(case)):
        yield {name: values[picture] for name, values in lists.items() if values[picture] is not None}


def _request_options(case: PromptCase) -> dict[str, Any]:
    return {
        name: value
        for name, value in case.options.items()
        if name not in _PROMPT_OPTIONS and not _is_per_picture(value, case)
    }


def _is_per_picture(value: Any, case: PromptCase) -> bool:
    return isinstance(value, list) and len(value) == _picture_count(case)


def _picture_count(case: PromptCase) -> int:
    return sum(part.type == "image" for message in case.messages for part in message.content or ())


def prompt_string(prompt: RenderedPrompt, image_tag: str, media_ids: tuple[str, ...]) -> str:
    """The prompt as the set writes it: each slot shows as the set's tag.

    Behind the tag a set may explain it in brackets; a tag that names the picture does it with ``imK``.
    """
    tag = re.sub(r"\s\(.*", "", image_tag, flags=re.DOTALL)
    if named := re.search(r"<[^<>]+>imK[^<>]*<[^<>]+>", tag):
        # What stands around the name (a number, a line break) is text of the prompt.
        tag = named.group()
    shown = (
        tag.replace("imK", media_ids[segment.items[0].part])
        if isinstance(segment, MediaSlot)
        else RenderedPrompt((segment,)).text()
        for segment in prompt.segments
    )
    return "".join(shown)
