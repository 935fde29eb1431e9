"""Byte-pair encoding of plain text: what a tokenizer is before special tokens come in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import tokenizers

from vlmplug.errors import ConversationError, TokenizerError
from vlmplug.prompt import Text

#: Stands for a space in the pieces of sentencepiece models.
WORD_START = "\u2581"
Kind: TypeAlias = Literal["byte_level", "sentencepiece"]
#: Which texts get a space put in front of them: none, each text between two special tokens, or the prompt's first.
Prefix: TypeAlias = Literal["none", "each", "first"]

#: Ids are smaller; the largest public vocabularies have some 300,000.
MAX_IDS = 10_000_000
#: Keys of ``tokenizer.json`` that go around the model.
FRAME = ("normalizer", "pre_tokenizer", "decoder")

_MARKER = re.compile(r"<.+>|\[.+\]", re.DOTALL)


@dataclass(frozen=True, eq=False)
class TextModel:
    """Vocabulary and merges.

    - ``engine``: splits and merges; it knows no special tokens and adds nothing.
    - ``surfaces``: the bytes of each piece, by id.
    - ``symbols``: sentencepiece's user-defined pieces, which are never cut nor merged, to ids. Those in ``<…>`` or
      ``[…]`` are markers: they count only where special tokens are parsed.
    - ``controls``: ids of control pieces, which no text can produce and which say nothing.
    - ``frame``: normalizer, pre-tokenizer and decoder, in JSON, of a ``tokenizer.json`` that does all this on its own.
    """

    engine: tokenizers.Tokenizer
    kind: Kind
    prefix: Prefix
    surfaces: tuple[bytes, ...]
    frame: Mapping[str, Any]
    symbols: Mapping[str, int] = field(default_factory=dict)
    controls: frozenset[int] = frozenset()

    @cached_property
    def markers(self) -> dict[str, int]:
        """User-defined pieces that look like special tokens."""
        return {piece: number for piece, number in self.symbols.items() if _MARKER.fullmatch(piece)}

    @cached_property
    def _plain_symbols(self) -> re.Pattern[str]:
        return _alternatives([piece for piece in self.symbols if piece not in self.markers])

    @cached_property
    def _all_symbols(self) -> re.Pattern[str]:
        return _alternatives(self.symbols)

    @property
    def lone_prefix(self) -> list[int]:
        """Ids of a prefix with no text behind it."""
        return list(self.engine.encode(WORD_START, add_special_tokens=False).ids)

    def encode(self, texts: Sequence[Text], prefixed: bool) -> list[int]:
        """Ids of texts that stand next to each other, merged across their borders.

        :param texts: ``parse_special_tokens`` decides about markers only: special tokens are cut out already.
        :param prefixed: put a space in front.
        :raises ConversationError: a text holds half a surrogate pair, which no encoding can represent.
        """
        runs = [(self._spelled(text.text), text.parse_special_tokens) for text in texts if text.text]
        if prefixed and runs:
            runs[0] = (WORD_START + runs[0][0], runs[0][1])
        ids: list[int] = []
        pending = ""
        for piece in self._pieces(runs):
            if isinstance(piece, str):
                pending += piece
                continue
            ids += [*self._merged(pending), piece]
            pending = ""
        return ids + self._merged(pending)

    def _spelled(self, text: str) -> str:
        return text.replace(" ", WORD_START) if self.kind == "sentencepiece" else text

    def _pieces(self, runs: Sequence[tuple[str, bool]]) -> Iterator[str | int]:
        if not self.symbols:
            yield "".join(text for text, _ in runs)
            return
        for text, parsed in runs:
            pattern = self._all_symbols if parsed else self._plain_symbols
            end = 0
            for match in pattern.finditer(text):
                yield text[end : match.start()]
                yield self.symbols[match.group()]
                end = match.end()
            yield text[end:]

    def _merged(self, text: str) -> list[int]:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ConversationError(
                f"The text holds half a surrogate pair (U+{ord(text[error.start]):04X}).",
                "Send valid Unicode.",
            ) from error
        return list(self.engine.encode(text, add_special_tokens=False).ids) if text else []


def checked_vocabulary(vocabulary: object, file: Path) -> dict[str, int]:
    """The vocabulary in a tokenizer file, if it is one: pieces to ids.

    :raises TokenizerError: it is something else.
    """
    if isinstance(vocabulary, dict) and all(isinstance(number, int) for number in vocabulary.values()):
        pieces: dict[str, int] = vocabulary
        if pieces and min(pieces.values()) >= 0 and max(pieces.values()) < MAX_IDS:
            return pieces
    raise TokenizerError(f"{file} holds no vocabulary of pieces and their ids.", "Download the file again.")


def frame_of(complete: tokenizers.Tokenizer) -> dict[str, Any]:
    """Normalizer, pre-tokenizer and decoder of a tokenizer, in JSON; see `TextModel.frame`."""
    document = json.loads(complete.to_str())
    return {key: document[key] for key in FRAME}


def _alternatives(pieces: Sequence[str] | Mapping[str, int]) -> re.Pattern[str]:
    longest_first = sorted(pieces, key=lambda piece: -len(piece))
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
