"""What a benchmark asks: a number of like requests, which differ in text and pictures so that no cache helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlmplug.bench.filler import Encode, filler
from vlmplug.bench.photos import Size, photos
from vlmplug.conversation import Conversation, MediaOptions, PromptOptions, user_message
from vlmplug.errors import OptionError
from vlmplug.picture import MAX_PICTURE_PIXELS
from vlmplug.pipeline import Request
from vlmplug.sampling import Sampling

_MOST = 1_000_000


@dataclass(frozen=True)
class Workload:
    """Like requests.

    - ``images``: pictures of each request. ``image_sizes``: their sizes, which are taken in turn, picture by picture.
    - ``text``: the question of every request; None: seeded words, another text for each.
    - ``prompt_tokens``: tokens of such a text; those of the family's prompt around it and of pictures come on top.
    - ``max_new_tokens``: tokens of every answer, whatever the model would say: stop tokens are ignored.
    - ``media_options``: the family's own, for all pictures.

    :raises OptionError: a number that is out of range.
    """

    requests: int = 32
    images: int = 1
    image_sizes: tuple[Size, ...] = ((1280, 720),)
    text: str | None = None
    prompt_tokens: int = 128
    max_new_tokens: int = 128
    seed: int = 0
    media_options: MediaOptions = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("requests", 1), ("images", 0), ("prompt_tokens", 1), ("max_new_tokens", 1)):
            _whole(name, getattr(self, name), least)
        if not self.image_sizes:
            raise OptionError("There is no size of pictures.", "Give one, as in ((1280, 720),).")
        for width, height in self.image_sizes:
            if min(width, height) < 1 or width * height > MAX_PICTURE_PIXELS:
                raise OptionError(
                    f"Pictures of {width}x{height} are impossible.",
                    f"Give a width and a height of 1 or more, {MAX_PICTURE_PIXELS:,} pixels at the most.",
                )
        if self.text is not None and not self.text.strip() and not self.images:
            raise OptionError("The question is empty.", "Ask something, or send a picture.")

    def made(self, encode: Encode, folder: Path, more: int = 0) -> tuple[Request, ...]:
        """The requests, with their pictures written into a folder.

        :param encode: the model's tokenizer, for texts of a given length.
        :param more: further requests that come behind them, for warming up.
        """
        count = self.requests + more
        sizes = [self.image_sizes[number % len(self.image_sizes)] for number in range(count * self.images)]
        files = photos(folder, sizes, self.seed) if sizes else []
        return tuple(
            self._request(self._text(encode, number), files[number * self.images : (number + 1) * self.images])
            for number in range(count)
        )

    def _text(self, encode: Encode, number: int) -> str:
        return filler(self.prompt_tokens, encode, f"{self.seed} {number}") if self.text is None else self.text

    def _request(self, text: str, files: Sequence[Path]) -> Request:
        conversation = Conversation((user_message(text, tuple(files)),))
        options = PromptOptions("beside", media=self.media_options)
        return Request(conversation, options, Sampling(max_new_tokens=self.max_new_tokens, ignore_stop=True))


def _whole(name: str, value: int, least: int) -> None:
    if not least <= value <= _MOST:
        raise OptionError(f"{name} is {value}.", f"Give a whole number from {least} to {_MOST:,}.")
