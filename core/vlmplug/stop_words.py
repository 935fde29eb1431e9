"""Strings that end an answer, found in streamed text wherever the pieces are cut."""

from __future__ import annotations


class StopWords:
    """Lets text through until one of the words appears; holds back what may be the beginning of one.

    ``hit`` tells whether a word has appeared; it and everything after it are never let through.
    """

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = tuple(word for word in words if word)
        self._held = ""
        self.hit = False

    def push(self, text: str) -> str:
        """Text that is safe to show now."""
        if self.hit or not self._words:
            return "" if self.hit else text
        text = self._held + text
        found = [at for word in self._words if (at := text.find(word)) >= 0]
        if found:
            self.hit, self._held = True, ""
            return text[: min(found)]
        keep = max(_overlap(text, word) for word in self._words)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """What was held back, at the end of the answer."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, word: str) -> int:
    """Length of the longest end of ``text`` that is a proper beginning of ``word``."""
    return next((size for size in range(min(len(word) - 1, len(text)), 0, -1) if text.endswith(word[:size])), 0)
