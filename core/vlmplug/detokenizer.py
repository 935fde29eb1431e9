"""From ids back to text: bytes of every id, whole or piece by piece as an answer grows."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vlmplug.tokenizer import Tokenizer

_LONE_BYTE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, eq=False)
class Detokenizer:
    """What each id says.

    - ``surfaces``: bytes by id; an id without one (padding rows of the vocabulary) says nothing.
    - ``special``: ids that `decode` leaves out.
    - ``drops_first_space``: the space in front of the first piece is the encoder's, not the text's.
    - ``invalid``: bytes that are no UTF-8 become U+FFFD, one each (``"byte"``, as sentencepiece has it) or one for
      each broken character (``"character"``, as byte-level tokenizers have it).
    """

    surfaces: tuple[bytes, ...]
    special: frozenset[int]
    drops_first_space: bool
    invalid: Literal["byte", "character"]

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """The text of ``ids``, nothing cleaned up and nothing put between tokens."""
        return _Decoder(self).text(ids, self.special if skip_special_tokens else frozenset(), final=True)


class _Decoder:
    """State between two pieces: bytes of an unfinished character, and whether anything was said yet."""

    def __init__(self, detokenizer: Detokenizer) -> None:
        self._surfaces = detokenizer.surfaces
        self._drop_space = detokenizer.drops_first_space
        errors = "replace" if detokenizer.invalid == "character" else "surrogateescape"
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors)

    def text(self, ids: Iterable[int], skipped: frozenset[int], final: bool) -> str:
        text = self._utf8.decode(b"".join(self._bytes(ids, skipped)), final)
        return _LONE_BYTE.sub("\ufffd", text)

    def _bytes(self, ids: Iterable[int], skipped: frozenset[int]) -> Iterator[bytes]:
        for token in ids:
            if token in skipped or not 0 <= token < len(self._surfaces):
                continue
            surface = self._surfaces[token]
            if self._drop_space and surface:
                surface = surface.removeprefix(b" ")
                self._drop_space = False
            yield surface


class TextStream:
    """Text of an answer while it is generated.

    Each `push` returns text that later ids cannot change: never half a character. All pieces and `finish` together are
    `Tokenizer.decode` of all ids.
    """

    def __init__(self, tokenizer: Tokenizer, skip_special_tokens: bool = True) -> None:
        self._special: frozenset[int] = tokenizer.detokenizer.special if skip_special_tokens else frozenset()
        self._decoder = _Decoder(tokenizer.detokenizer)

    def push(self, ids: Iterable[int]) -> str:
        """The new text that ``ids`` settle; may be empty."""
        return self._decoder.text(ids, self._special, final=False)

    def finish(self) -> str:
        """What is left: replacement characters for an unfinished one."""
        return self._decoder.text((), self._special, final=True)
