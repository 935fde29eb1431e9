"""A section of a ``config.json``: its numbers, checked as they are read, with what the official code fills in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vlmplug.errors import CheckpointMismatchError
from vlmplug.nearest import did_you_mean


class Section:
    """One object of a JSON file.

    :param where: what messages call it.
    :param defaults: values of keys that it leaves out; a key without one is required.
    """

    def __init__(self, where: str, values: Any, defaults: Mapping[str, Any] | None = None) -> None:
        if not isinstance(values, Mapping):
            raise CheckpointMismatchError(
                f"{where} is {'missing' if values is None else f'{values!r}'}.", "Use the official config.json."
            )
        self._where = where
        self._values = {**(defaults or {}), **{key: value for key, value in values.items() if value is not None}}

    def section(self, key: str) -> Section:
        """An object inside this one.

        :raises CheckpointMismatchError: it is missing, or no object; so below.
        """
        return Section(f"{key} of {self._where}", self._values.get(key))

    def overlaid(self, defaults: Mapping[str, Any]) -> Section:
        """The same section with other defaults."""
        return Section(self._where, self._values, defaults)

    def size(self, key: str) -> int:
        """A whole number from 1."""
        value = self._required(key)
        if type(value) is not int or value < 1:
            raise self.wrong(key, "a whole number of at least 1")
        return value

    def sizes(self, key: str) -> tuple[int, ...]:
        """Whole numbers from 0."""
        value = self._required(key)
        if not isinstance(value, list | tuple) or any(type(number) is not int or number < 0 for number in value):
            raise self.wrong(key, "a list of whole numbers")
        return tuple(value)

    def whole(self, key: str) -> int:
        """A whole number of either sign."""
        value = self._required(key)
        if type(value) is not int:
            raise self.wrong(key, "a whole number")
        return value

    def number(self, key: str) -> float:
        """A finite number above 0."""
        value = self._required(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            raise self.wrong(key, "a number above 0")
        return float(value)

    def triple(self, key: str) -> tuple[float, float, float] | None:
        """Three numbers, one a colour; None where the key is missing."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 3 or not all(map(_is_colour, value)):
            raise self.wrong(key, "three numbers from 0 to 1")
        return float(value[0]), float(value[1]), float(value[2])

    def flag(self, key: str) -> bool:
        """Whether a switch is on."""
        return bool(self._required(key))

    def word(self, key: str, words: Mapping[str, Any] | tuple[str, ...]) -> str:
        """One of these words."""
        value = self._required(key)
        if value not in tuple(words):
            raise CheckpointMismatchError(
                f"{key} of {self._where} is {value!r}, which this family does not have.",
                did_you_mean(str(value), words),
            )
        return str(value)

    def wrong(self, key: str, expected: str) -> CheckpointMismatchError:
        """An error that names a key, its value and what was expected."""
        return CheckpointMismatchError(
            f"{key} of {self._where} is {self._values.get(key)!r}; expected {expected}.", "Use the official files."
        )

    def get(self, key: str) -> Any:
        """A value as it is; None where the key is missing."""
        return self._values.get(key)

    def _required(self, key: str) -> Any:
        if key not in self._values:
            raise CheckpointMismatchError(f"{self._where} has no {key}.", "Use the official config.json.")
        return self._values[key]


def _is_colour(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
