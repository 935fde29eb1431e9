"""Special tokens: strings that stand for one id each, and where they begin and end in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class SpecialToken:
    """One string that a tokenizer's files declare as one id.

    - ``special``: left out when an answer is decoded.
    - ``listed``: one of the tokenizer's roles (bos, eos, …) or of its ``additional_special_tokens``.
    - ``lstrip``, ``rstrip``: it swallows white space in front of or behind it.
    - ``single_word``: it counts only between spaces.
    """

    content: str
    id: int
    special: bool = True
    listed: bool = False
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False


class SpecialTokenFinder:
    """Cuts texts at special tokens: the leftmost first, of several there the longest, as official tokenizers do."""

    def __init__(self, tokens: Iterable[SpecialToken]) -> None:
        self._tokens = {token.content: token for token in tokens if token.content}
        longest_first = sorted(self._tokens.values(), key=lambda token: -len(token.content))
        self._pattern = re.compile("|".join(map(_pattern, longest_first)) or r"(?!)")

    def split(self, text: str) -> Iterator[str | SpecialToken]:
        """The special tokens in ``text`` and what stands between them, in order; nothing empty."""
        end = 0
        for match in self._pattern.finditer(text):
            if match.start() > end:
                yield text[end : match.start()]
            yield self._tokens[match.group()]
            end = match.end()
        if end < len(text):
            yield text[end:]


def _pattern(token: SpecialToken) -> str:
    escaped = re.escape(token.content)
    return f"(?<![^ ]){escaped}(?![^ ])" if token.single_word else escaped
