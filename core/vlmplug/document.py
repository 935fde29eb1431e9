"""YAML files that are data: read safely, in bounded time, with the place of every value.

Nothing is constructed from tags, and a plain word is what YAML 1.2 says it is (``no`` is text). Size, depth and the
size after expanding aliases are bounded while reading, so that no file can take long. Each value knows its file, line
and key, and every reading method says what it expected there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from vlmplug.bounded_file import read_start
from vlmplug.errors import ManifestError
from vlmplug.nearest import did_you_mean
from vlmplug.number import is_whole

if TYPE_CHECKING:
    from vlmplug.document_cache import DocumentCache

MAX_BYTES = 1_000_000
MAX_DEPTH = 16
#: Characters of one text.
MAX_TEXT = 10_000
#: Values in one file, counted after aliases are expanded.
MAX_VALUES = 50_000
#: Characters of the way to a value; more would let a short file take much memory.
MAX_KEY = 500

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})([eE][-+]?[0-9]{1,3})?")
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}

Content: TypeAlias = "str | list[Value] | dict[str, Value]"


class Value:
    """One value of a document, with its place.

    - ``content``: text of a scalar, or the values of a sequence or mapping.
    - ``plain``: a scalar without quotation marks, which may mean a number, a truth value or nothing.
    - ``line``: from 1. ``key``: the way from the top, for example ``families.internvl2.title``.
    """

    __slots__ = ("content", "file", "key", "line", "plain")

    def __init__(self, content: Content, plain: bool, file: Path, line: int, key: str) -> None:
        self.content = content
        self.plain = plain
        self.file = file
        self.line = line
        self.key = key

    def error(self, problem: str, remedy: str = "") -> ManifestError:
        """An error that starts with file, line and key."""
        return ManifestError(f"{self.file}:{self.line}: {self.key or 'the document'}: {problem}", remedy)

    def entries(self) -> dict[str, Value]:
        """The values of a mapping with free keys.

        :raises ManifestError: it is no mapping.
        """
        if isinstance(self.content, dict):
            return self.content
        raise self.error(f"expected a mapping, found {self._kind()}.", "Write key: value pairs, indented below it.")

    def fields(self, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Value]:
        """The values of a mapping whose keys are known; those that hold nothing count as absent.

        :raises ManifestError: an unknown key (with the nearest valid one) or a missing one.
        """
        entries = self.entries()
        for name, value in entries.items():
            if name not in required and name not in optional:
                raise value.error(f"unknown key {name!r}.", did_you_mean(name, [*required, *optional]))
        present = {name: value for name, value in entries.items() if not value.empty}
        for name in required:
            if name not in present:
                raise self.error(f"the key {name!r} is missing.", f"Add {name}: … below it.")
        return present

    @property
    def empty(self) -> bool:
        """Whether nothing is written there (or null)."""
        return self.plain and self.content in ("", "~", "null")

    def values(self, least: int = 0) -> list[Value]:
        """The values of a sequence.

        :param least: how many there have to be.
        :raises ManifestError: it is no sequence, or too short.
        """
        if isinstance(self.content, list):
            if len(self.content) < least:
                raise self.error("the list is empty.", "Write at least one value.")
            return self.content
        raise self.error(f"expected a list, found {self._kind()}.", "Write [a, b] or one '- value' a line.")

    def text(self) -> str:
        """A text that is not empty.

        :raises ManifestError: a list, a mapping, nothing, or a number or truth value without quotation marks.
        """
        if not isinstance(self.content, str) or self.empty or not self.content.strip():
            raise self.error(f"expected a text, found {self._kind()}.")
        if not isinstance(self.data(), str):
            raise self.error(f"expected a text, found {self.content}.", f'Put it in quotation marks: "{self.content}".')
        return self.content

    def texts(self, least: int = 0) -> tuple[str, ...]:
        """A list of texts.

        :param least: how many there have to be.
        :raises ManifestError: it is no list, too short, or one of its values is no text.
        """
        return tuple(value.text() for value in self.values(least))

    def word(self, valid: Sequence[str]) -> str:
        """One of the words ``valid``.

        :raises ManifestError: another one, with the nearest valid word.
        """
        word = self.text()
        if word not in valid:
            raise self.error(f"{self._shown()} is not valid here.", did_you_mean(word, valid))
        return word

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``.

        :raises ManifestError: something else.
        """
        number = self.data()
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if not is_whole(number) or not low <= number <= high:
            raise self.error(f"{self._shown()} is not a whole number from {low} to {high}.")
        return number

    def flag(self) -> bool:
        """``true`` or ``false``.

        :raises ManifestError: something else.
        """
        flag = self.data()
        if not isinstance(flag, bool):
            raise self.error(f"{self._shown()} is neither true nor false.")
        return flag

    def data(self) -> Any:
        """Plain data as JSON has them: mappings, lists, texts, numbers, truth values, None."""
        if isinstance(self.content, dict):
            return {name: value.data() for name, value in self.content.items()}
        if isinstance(self.content, list):
            return [value.data() for value in self.content]
        return _scalar(self.content) if self.plain else self.content

    def _kind(self) -> str:
        if isinstance(self.content, dict):
            return "a mapping"
        if isinstance(self.content, list):
            return "a list"
        return "nothing" if self.empty else self._shown()

    def _shown(self) -> str:
        return self._kind() if not isinstance(self.content, str) else repr(self.content[:60])


def read_document(file: Path, cache: DocumentCache | None = None) -> Value:
    """The top value of a YAML file.

    :param cache: where the values of files that were read before are kept; the result is the same without it.
    :raises ManifestError: it cannot be read, is no regular file, too large, too deep, expands to too much through
        aliases, or is not YAML; with the line.
    """
    text = _read_text(file)
    kept = cache.load(file, text) if cache is not None else None
    if kept is not None:
        return kept
    from vlmplug.composer import compose

    value = compose(file, text)
    if cache is not None:
        cache.store(text, value)
    return value


def item_key(key: str, number: int) -> str:
    """The key of an item of a sequence."""
    return f"{key}[{number}]"


def entry_key(key: str, name: str) -> str:
    """The key of an entry of a mapping."""
    return f"{key}.{name}" if key else name


def _read_text(file: Path) -> str:
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise ManifestError(f"{file} is not a regular file.", "Give the path of a YAML file.")
        content = read_start(file, MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ManifestError(f"{file} is larger than {MAX_BYTES:,} bytes.", "Split it, or remove what is not data.")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ManifestError(
            f"{file} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{file} is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from error


def _scalar(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
