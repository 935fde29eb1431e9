"""Places of pictures and clips in the texts of a dialogue: tags, sources written inside the text, and none at all."""

from __future__ import annotations

import base64
import binascii
import io
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from vlmplug.compat.swift.refusal import SwiftValueError
from vlmplug.errors import MediaError, PlacementError

_LOG = logging.getLogger(__name__)

Kind = Literal["image", "video"]
#: Turns of the user as texts, and the media of each turn.
Placed: TypeAlias = "tuple[list[str], list[list[Any]]]"

#: Longer strings that are no file are base64, as in swift.
_LONGEST_PATH = 200
_ADDRESS = re.compile(r"(https?|data|file):", re.IGNORECASE)
_AUDIO = re.compile(r"<audio>(.+?</audio>)?")


@dataclass(frozen=True)
class MediaTags:
    """How one kind of media is written.

    - ``key``: where a request lists them. ``tag``: their place in a text. ``inline``: the place with the source in it.
    """

    kind: Kind
    key: str
    tag: str
    inline: re.Pattern[str]

    def place(self, texts: Sequence[str], listed: Sequence[Any]) -> Placed:
        """Texts with a tag at each place, and the media of each text, in order.

        Tags take the media in order, over all texts. Media for which there is no tag belong to the first text.

        :raises SwiftValueError: sources inside the texts, and tags or a list as well.
        :raises PlacementError: more tags than media.
        """
        found = [self.inline.findall(text) for text in texts]
        if any(found):
            self._check_unmixed(texts, listed)
            texts = [self.inline.sub(self.tag, text) for text in texts]
            return list(texts), [[self.source(source) for source in row] for row in found]
        counts = [text.count(self.tag) for text in texts]
        if not listed:
            if any(counts):
                _LOG.warning("There is %s in a text, but no %s: it is taken as text.", self.tag, self.key)
            return list(texts), [[] for _ in texts]
        if sum(counts) > len(listed):
            raise PlacementError(
                f"Number of {self.key}: {len(listed)}, number of {self.tag} tags: {sum(counts)}.",
                f"List the {self.key} of all turns, those of the history too.",
            )
        counts[0] += len(listed) - sum(counts)
        left = iter(map(self.source, listed))
        return list(texts), [[next(left) for _ in range(count)] for count in counts]

    def source(self, given: Any) -> Any:
        """A source as the media path takes it: base64 as bytes, and a buffer as all that is in it, now and next time.

        :raises MediaError: there is none.
        """
        if given is None:
            raise MediaError(f"{self.key} holds None.", "Give a path, an address, base64, bytes or a picture.")
        if isinstance(given, io.BytesIO):
            return given.getvalue()
        if not isinstance(given, str):
            return given
        given = given.strip()
        if len(given) <= _LONGEST_PATH or _ADDRESS.match(given) or os.path.exists(given):
            return given
        try:
            return base64.b64decode(given, validate=True)
        except (binascii.Error, ValueError):
            return given

    def _check_unmixed(self, texts: Sequence[str], listed: Sequence[Any]) -> None:
        if listed or any(self.tag in self.inline.sub("", text) for text in texts):
            raise SwiftValueError(
                f"Do not mix use the <{_SHORT[self.kind]}>…</{_SHORT[self.kind]}> tag and {self.tag} or {self.key}.",
                "Write all sources into the texts, or list them all.",
            )


_SHORT: dict[Kind, str] = {"image": "img", "video": "video"}
IMAGES = MediaTags("image", "images", "<image>", re.compile(r"<img>(.+?)</img>"))
VIDEOS = MediaTags("video", "videos", "<video>", re.compile(r"<video>([^<>]+?)</video>"))


def refuse_audio(texts: Sequence[str], listed: Any) -> None:
    """No family here hears anything.

    :raises MediaError: there is audio in a request.
    """
    if listed or any("</audio>" in found.group() for text in texts for found in _AUDIO.finditer(text)):
        raise MediaError("No model here takes audio.", "Leave audios out.")


def listed_media(given: Any) -> list[Any]:
    """One source or several as a list; None are none."""
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]
