"""Changes one value in the text of a YAML document and leaves every other character as it is, comments included.

What comes out has to be read again and compared: not every layout that YAML allows is understood here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node

_LINE_END = re.compile(r"\r\n|\r|\n")
_PLAIN = re.compile(r"(?!(?:null|true|false)$)[a-z][a-z0-9._-]*")
_INDENT = 2


def written(text: str) -> str:
    """A text as YAML reads it back as text."""
    return text if _PLAIN.fullmatch(text) else f'"{text}"'


class Layout:
    """The text of a document whose top value is a mapping, and where its keys stand.

    :param first: a key of it; new keys go behind it.
    """

    def __init__(self, text: str, first: str) -> None:
        import yaml

        self.text, self._first = text, first
        # The parser in Python: its marks count characters of the text, whatever they are.
        self._top = cast("MappingNode", yaml.compose(text, Loader=yaml.SafeLoader))

    def with_value(self, path: Sequence[str], value: str) -> str:
        """The text with another value, below keys that are written where they are missing.

        :param value: as YAML. It takes the place of a plain value; mappings are only added to.
        """
        from yaml.nodes import MappingNode

        node, rest = self._deepest(path)
        if rest and isinstance(node, MappingNode) and node.value:
            return self._with_pair(node, rest, value)
        start, end = node.start_mark.index, node.end_mark.index
        new = f"{{{_flow(rest, value)}}}" if rest else value
        return f"{self.text[:start]}{' ' if start == end else ''}{new}{self.text[end:]}"

    def without(self, key: str) -> str:
        """The text without a key of the top mapping, its line, and what stands behind it on that line."""
        name, value = self._pairs(self._top).get(key, (None, None))
        if name is None or value is None:
            return self.text
        if self._top.flow_style:
            before, behind = self.text[: name.start_mark.index], self.text[value.end_mark.index :]
            return before.rstrip().removesuffix(",") + behind
        place, _ = self._next_line(_last_end(value))
        return self.text[: name.start_mark.index - name.start_mark.column] + self.text[place:]

    def _deepest(self, path: Sequence[str]) -> tuple[Node, Sequence[str]]:
        """The value that the most keys of a path lead to, and the other keys."""
        from yaml.nodes import MappingNode

        node: Node = self._top
        for depth, key in enumerate(path):
            found = self._pairs(node).get(key) if isinstance(node, MappingNode) else None
            if found is None:
                return node, path[depth:]
            node = found[1]
        return node, ()

    def _pairs(self, mapping: MappingNode) -> dict[str, tuple[Node, Node]]:
        return {key.value: (key, value) for key, value in mapping.value if isinstance(key.value, str)}

    def _with_pair(self, mapping: MappingNode, keys: Sequence[str], value: str) -> str:
        """Behind the first key of the document, or at the end of another mapping."""
        name, last = self._pairs(mapping)[self._first] if mapping is self._top else mapping.value[-1]
        end = _last_end(last)
        if mapping.flow_style:
            return f"{self.text[:end]}, {_flow(keys, value)}{self.text[end:]}"
        place, line_end = self._next_line(end)
        separator = "" if self.text[:place].endswith(("\n", "\r")) else line_end
        lines = _lines(keys, value, name.start_mark.column, line_end)
        return f"{self.text[:place]}{separator}{lines}{self.text[place:]}"

    def _next_line(self, index: int) -> tuple[int, str]:
        """Where the line after that of a place begins, and how the file ends its lines."""
        match, ending = _LINE_END.search(self.text, index), _LINE_END.search(self.text)
        return match.end() if match else len(self.text), ending[0] if ending else "\n"


def _last_end(node: Node) -> int:
    """Where the last value inside ends; a block itself ends behind the comments that follow it."""
    from yaml.nodes import CollectionNode, MappingNode

    while isinstance(node, CollectionNode) and node.value and not node.flow_style:
        node = node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1]
    return int(node.end_mark.index)


def _flow(keys: Sequence[str], value: str) -> str:
    key, *inner = keys
    return f"{written(key)}: {{{_flow(inner, value)}}}" if inner else f"{written(key)}: {value}"


def _lines(keys: Sequence[str], value: str, column: int, line_end: str) -> str:
    """The inner two keys on one line."""
    if len(keys) <= 2:
        return f"{' ' * column}{_flow(keys, value)}{line_end}"
    return f"{' ' * column}{written(keys[0])}:{line_end}{_lines(keys[1:], value, column + _INDENT, line_end)}"
