"""What a caller may choose for a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from vlmplug.conversation import MediaOptions, MediaPart
from vlmplug.errors import OptionError
from vlmplug.media_option import MediaOption, check_media_options

ChatFormat = Literal["chatml", "raw"]

#: Types and ranges; names and bounds are those of the manifest. None applies to one picture alone.
DECLARED: Mapping[str, MediaOption] = {
    option.name: option
    for option in (
        MediaOption("chat_format", "word", None, "", words=("chatml", "raw")),
        MediaOption("max_window_size", "integer", None, "", low=1, high=1_000_000),
    )
}


@dataclass(frozen=True)
class PromptSettings:
    """How a conversation is written.

    - ``chat_format``: ``chatml`` is a chat; ``raw`` is a text that the model continues.
    - ``max_window_size``: a chat's oldest questions are left out, each with its answer, until what is left before the
      last question has fewer tokens; None: nothing is left out.
    """

    chat_format: ChatFormat
    max_window_size: int | None = None

    def of_request(self, request: MediaOptions, media: Iterable[MediaPart]) -> PromptSettings:
        """These settings with those of a request in their place; None stands for what is here already.

        :raises OptionError: an unknown option, a value out of its range, or an option for one picture.
        """
        check_media_options(DECLARED, request, "the request")
        for number, part in enumerate(media, 1):
            check_media_options(DECLARED, part.options, f"picture {number}")
            if part.options:
                raise OptionError(f"picture {number} has options of its own.", "Give them for the whole request.")
        chosen: dict[str, Any] = {name: value for name, value in request.items() if value is not None}
        return PromptSettings(**{**asdict(self), **chosen})
