"""Values out of YAML text, in bounded time and memory. Apart from `document`, because importing a YAML parser takes
longer than all the rest of listing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from vlmplug.document import MAX_DEPTH, MAX_KEY, MAX_TEXT, MAX_VALUES, Content, Value, entry_key, item_key
from vlmplug.errors import ManifestError

if TYPE_CHECKING:
    from yaml.events import AliasEvent, Event, ScalarEvent

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(file: Path, text: str) -> Value:
    """The top value of a YAML document.

    :raises ManifestError: too deep, expands to too much through aliases, or is not YAML; with the line.
    """
    return _Composer(file).compose(text)


class _Composer:
    """Builds values from the parser's events, one at a time, so that every bound holds before memory is spent."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.anchors: dict[str, Value] = {}
        self.events: Iterator[Event] = iter(())
        self.total = 0
        self.text = ""

    def compose(self, text: str) -> Value:
        self.text = text
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
        self._count(event, key, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, key, depth)
        value = self._composed(event, key, depth)
        if anchor := getattr(event, "anchor", None):
            self.anchors[anchor] = value
        return value

    def _composed(self, event: Event, key: str, depth: int) -> Value:
        value = Value("", False, self.file, _line(event), key)
        if (tag := getattr(event, "tag", None)) is not None:
            raise value.error(f"the tag {tag} is not allowed.", "Write plain data.")
        if isinstance(event, yaml.ScalarEvent):
            value.content, value.plain = self._bounded(event), event.implicit[0]
        elif isinstance(event, yaml.SequenceStartEvent):
            value.content = list(self._items(key, depth))
        else:
            value.content = self._pairs(value, key, depth)
        return value

    def _items(self, key: str, depth: int) -> Iterator[Value]:
        number = 0
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            yield self._value(event, item_key(key, number), depth + 1)
            number += 1

    def _pairs(self, owner: Value, key: str, depth: int) -> dict[str, Value]:
        pairs: dict[str, Value] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise owner.error("a key is not a plain word.", "Use words as keys.")
            name = self._checked(event, key)
            value = self._value(next(self.events), entry_key(key, name), depth + 1)
            value.line = _line(event)  # where its key stands, not what is below it
            if name in pairs:
                raise value.error(f"given twice (first on line {pairs[name].line}).", "Keep one of the two.")
            pairs[name] = value
        return pairs

    def _checked(self, event: ScalarEvent, key: str) -> str:
        """A key of a mapping, without those that another reader of YAML would take for something else."""
        if event.value and event.value != "<<":
            return event.value
        kind = "a merge key (<<)" if event.value else "an empty key"
        place = f"{self.file}:{_line(event)}: {key or 'the document'}"
        raise ManifestError(f"{place}: {kind} is not allowed.", "Write the keys and values out.")

    def _bounded(self, event: ScalarEvent) -> str:
        if len(event.value) > MAX_TEXT:
            raise ManifestError(
                f"{self.file}:{_line(event)}: a text of more than {MAX_TEXT:,} characters.", "Shorten it."
            )
        return event.value

    def _aliased(self, event: AliasEvent, key: str, depth: int) -> Value:
        anchor = event.anchor
        if anchor not in self.anchors:
            raise ManifestError(
                f"{self.file}:{_line(event)}: *{anchor} has no &{anchor} before it.", "Define it first."
            )
        origin = self.anchors[anchor]
        return Value(self._copied(origin.content, event, key, depth), origin.plain, self.file, _line(event), key)

    def _copied(self, content: Content, event: Event, key: str, depth: int) -> Content:
        """What stands behind an alias, under the keys of its new place; its lines are those where it is written."""
        if isinstance(content, list):
            return [self._copy(part, event, item_key(key, number), depth + 1) for number, part in enumerate(content)]
        if isinstance(content, dict):
            return {name: self._copy(part, event, entry_key(key, name), depth + 1) for name, part in content.items()}
        return content

    def _copy(self, value: Value, event: Event, key: str, depth: int) -> Value:
        self._count(event, key, depth)
        return Value(self._copied(value.content, event, key, depth), value.plain, self.file, value.line, key)

    def _count(self, event: Event, key: str, depth: int) -> None:
        """Counts one value, and checks the bounds."""
        self.total += 1
        place = f"{self.file}:{_line(event)}"
        if len(key) > MAX_KEY:
            raise ManifestError(f"{place}: {key[:60]}…: keys of more than {MAX_KEY} characters.", "Shorten them.")
        if depth > MAX_DEPTH:
            raise ManifestError(f"{place}: nested deeper than {MAX_DEPTH} levels, aliases expanded.", "Flatten it.")
        if self.total > MAX_VALUES:
            raise ManifestError(f"{place}: more than {MAX_VALUES:,} values, aliases expanded.", "Split the file.")

    def _broken(self, error: yaml.YAMLError) -> ManifestError:
        mark, position = getattr(error, "problem_mark", None), getattr(error, "position", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        if isinstance(position, int):  # a character that YAML does not allow, for example NUL
            line = f":{self.text.count(chr(10), 0, position) + 1}"
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        return ManifestError(f"{self.file}{line}: not valid YAML: {problem}.", "Check indentation, quotes and colons.")


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0
