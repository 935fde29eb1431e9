"""YAML files that are data: read safely, in bounded time, with the place of every value.

Nothing is constructed from tags, and a plain word is what YAML 1.2 says it is (``no`` is text). Size, depth and the
size after expanding aliases are bounded while reading, so that no file can take long. Each value knows its file, line
and key, and every reading method says what it expected there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from vlmplug.errors import ManifestError
from vlmplug.nearest import did_you_mean

if TYPE_CHECKING:
    from yaml.events import AliasEvent, Event

MAX_BYTES = 1_000_000
MAX_DEPTH = 16
#: Values in one file, counted after aliases are expanded.
MAX_VALUES = 50_000

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})([eE][-+]?[0-9]{1,3})?")
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Content: TypeAlias = "str | list[Value] | dict[str, Value]"


@dataclass(slots=True)
class Value:
    """One value of a document, with its place.

    - ``content``: text of a scalar, or the values of a sequence or mapping.
    - ``plain``: a scalar without quotation marks, which may mean a number, a truth value or nothing.
    - ``line``: from 1. ``key``: the way from the top, for example ``families.internvl2.title``.
    """

    content: Content
    plain: bool
    file: Path
    line: int
    key: str
    size: int = 1

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

    def values(self) -> list[Value]:
        """The values of a sequence.

        :raises ManifestError: it is no sequence.
        """
        if isinstance(self.content, list):
            return self.content
        raise self.error(f"expected a list, found {self._kind()}.", "Write [a, b] or one '- value' a line.")

    def text(self) -> str:
        """A text that is not empty.

        :raises ManifestError: a list, a mapping, or nothing.
        """
        if isinstance(self.content, str) and not self.empty and self.content.strip():
            return self.content
        raise self.error(f"expected a text, found {self._kind()}.")

    def texts(self) -> tuple[str, ...]:
        """A list of texts.

        :raises ManifestError: it is no list, or one of its values is no text.
        """
        return tuple(value.text() for value in self.values())

    def word(self, valid: Sequence[str]) -> str:
        """One of the words ``valid``.

        :raises ManifestError: another one, with the nearest valid word.
        """
        word = self.text()
        if word not in valid:
            raise self.error(f"{word!r} is not valid here.", did_you_mean(word, valid))
        return word

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``.

        :raises ManifestError: something else.
        """
        number = self.data()
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
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


def read_document(file: Path) -> Value:
    """The top value of a YAML file.

    :raises ManifestError: it cannot be read, is no regular file, too large, too deep, expands to too much through
        aliases, or is not YAML; with the line.
    """
    return _Composer(file).compose(_read_text(file))


def _read_text(file: Path) -> str:
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise ManifestError(f"{file} is not a regular file.", "Give the path of a YAML file.")
        with open(file, "rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ManifestError(f"{file} is larger than {MAX_BYTES:,} bytes.", "Split it, or remove what is not data.")
        return content.decode("utf-8")
    except OSError as error:
        raise ManifestError(
            f"{file} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{file} is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from error


class _Composer:
    """Builds values from the parser's events, one at a time, so that every bound holds before memory is spent."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.anchors: dict[str, Value] = {}
        self.events: Iterator[Event] = iter(())
        self.total = 0

    def compose(self, text: str) -> Value:
        self.events = yaml.parse(text, Loader=_LOADER)
        try:
            return self._document()
        except yaml.YAMLError as error:
            raise self._broken(error) from error

    def _document(self) -> Value:
        next(self.events)  # the start of the stream
        if not isinstance(next(self.events), yaml.DocumentStartEvent):
            raise ManifestError(f"{self.file} is empty.", "Write at least its first key.")
        top = self._value(next(self.events), "", 0)
        next(self.events)  # the end of the document
        if not isinstance(after := next(self.events), yaml.StreamEndEvent):
            raise ManifestError(
                f"{self.file}:{_line(after)}: a second document starts here.", "Keep one document a file."
            )
        return top

    def _value(self, event: Event, key: str, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise ManifestError(f"{self.file}:{_line(event)}: nested deeper than {MAX_DEPTH} levels.", "Flatten it.")
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, key)
        value = self._composed(event, key, depth)
        if anchor := getattr(event, "anchor", None):
            self.anchors[anchor] = value
        return value

    def _composed(self, event: Event, key: str, depth: int) -> Value:
        value = Value("", False, self.file, _line(event), key)
        self._count(1, event)
        if (tag := getattr(event, "tag", None)) is not None:
            raise value.error(f"the tag {tag} is not allowed.", "Write plain data.")
        if isinstance(event, yaml.ScalarEvent):
            value.content, value.plain = event.value, event.implicit[0]
        elif isinstance(event, yaml.SequenceStartEvent):
            value.content = list(self._items(key, depth))
        else:
            value.content = self._pairs(value, key, depth)
        value.size = 1 + (sum(part.size for part in _parts(value.content)))
        return value

    def _items(self, key: str, depth: int) -> Iterator[Value]:
        number = 0
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            yield self._value(event, f"{key}[{number}]", depth + 1)
            number += 1

    def _pairs(self, owner: Value, key: str, depth: int) -> dict[str, Value]:
        pairs: dict[str, Value] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise owner.error("a key is not a plain word.", "Use words as keys.")
            inner = f"{key}.{event.value}" if key else event.value
            value = self._value(next(self.events), inner, depth + 1)
            if event.value in pairs:
                raise value.error(f"given twice (first on line {pairs[event.value].line}).", "Keep one of the two.")
            pairs[event.value] = value
        return pairs

    def _aliased(self, event: AliasEvent, key: str) -> Value:
        anchor = event.anchor
        if anchor not in self.anchors:
            raise ManifestError(
                f"{self.file}:{_line(event)}: *{anchor} has no &{anchor} before it.", "Define it first."
            )
        origin = self.anchors[anchor]
        self._count(origin.size, event)
        return Value(origin.content, origin.plain, self.file, _line(event), key, origin.size)

    def _count(self, values: int, event: Event) -> None:
        self.total += values
        if self.total > MAX_VALUES:
            raise ManifestError(
                f"{self.file}:{_line(event)}: more than {MAX_VALUES:,} values, aliases expanded.", "Split the file."
            )

    def _broken(self, error: yaml.YAMLError) -> ManifestError:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        return ManifestError(f"{self.file}{line}: not valid YAML: {problem}.", "Check indentation, quotes and colons.")


def _parts(content: Content) -> Sequence[Value]:
    if isinstance(content, dict):
        return list(content.values())
    return content if isinstance(content, list) else ()


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _scalar(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
