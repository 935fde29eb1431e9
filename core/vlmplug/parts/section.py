"""A section of a checkpoint's JSON files: fields checked as they are read, with what the official code fills in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from vlmplug.errors import CheckpointMismatchError
from vlmplug.nearest import did_you_mean
from vlmplug.number import is_number, is_whole

_FIX = "Use the files of the official checkpoint."


class Section:
    """One object of a JSON file.

    Every method raises `CheckpointMismatchError` for a required field that is missing (null counts as missing) or holds
    something else; the message names the section, the field, its value and what was expected.

    :param where: what messages call it.
    :param defaults: values of fields that it leaves out; a field without one is required.
    """

    def __init__(self, where: str, values: Any, defaults: Mapping[str, Any] | None = None) -> None:
        if not isinstance(values, Mapping):
            raise CheckpointMismatchError(f"{where} is {'missing' if values is None else f'{values!r}'}.", _FIX)
        self._where = where
        self._values = {**(defaults or {}), **{key: value for key, value in values.items() if value is not None}}

    def section(self, key: str, defaults: Mapping[str, Any] | None = None) -> Section:
        """An object inside this one."""
        return Section(f"{key} of {self._where}", self._values.get(key), defaults)

    def overlaid(self, defaults: Mapping[str, Any]) -> Section:
        """The same section with other defaults."""
        return Section(self._where, self._values, defaults)

    def size(self, key: str) -> int:
        """A whole number from 1."""
        value = self._required(key)
        if not is_whole(value) or value < 1:
            raise self.wrong(key, "a whole number of at least 1")
        return value

    def check_sizes(self, keys: Iterable[str]) -> None:
        """Each is a whole number from 1."""
        for key in keys:
            self.size(key)

    def sizes(self, key: str) -> tuple[int, ...]:
        """Whole numbers from 0."""
        value = self._required(key)
        if not isinstance(value, list | tuple) or any(not is_whole(number) or number < 0 for number in value):
            raise self.wrong(key, "a list of whole numbers")
        return tuple(value)

    def whole(self, key: str) -> int:
        """A whole number of either sign."""
        value = self._required(key)
        if not is_whole(value):
            raise self.wrong(key, "a whole number")
        return value

    def number(self, key: str) -> float:
        """A finite number above 0."""
        value = self._required(key)
        if not is_positive(value):
            raise self.wrong(key, "a positive number")
        return float(value)

    def check_numbers(self, keys: Iterable[str]) -> None:
        """Each is a finite number above 0."""
        for key in keys:
            self.number(key)

    def numbers(self, key: str) -> tuple[float, ...]:
        """One or more finite numbers above 0."""
        value = self._required(key)
        if not isinstance(value, list | tuple) or not value or not all(map(is_positive, value)):
            raise self.wrong(key, "a list of positive numbers")
        return tuple(map(float, value))

    def triple(self, key: str) -> tuple[float, float, float] | None:
        """Three numbers, one a colour; None where the field is missing."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 3 or not all(map(_is_colour, value)):
            raise self.wrong(key, "three numbers from 0 to 1")
        return float(value[0]), float(value[1]), float(value[2])

    def flag(self, key: str) -> bool:
        """Whether a switch is on."""
        value = self._required(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def word(self, key: str, words: Mapping[str, Any] | tuple[str, ...]) -> str:
        """One of these words."""
        value = self._required(key)
        if value not in tuple(words):
            problem = f"{self._where}: {key} is {value!r}, which this family does not have."
            raise CheckpointMismatchError(problem, did_you_mean(str(value), words))
        return str(value)

    def check_fixed(self, expected: Mapping[str, Any]) -> None:
        """Fields that are as the code takes them for granted, where they are there at all."""
        for key, value in expected.items():
            if self._values.get(key, value) != value:
                raise self.wrong(key, repr(value))

    def check_multiple(self, key: str, of: str | int) -> None:
        """A size that another one divides, or a number."""
        divisor = of if isinstance(of, int) else self.size(of)
        if self.size(key) % divisor:
            raise self.wrong(key, f"a multiple of {divisor}" if of == divisor else f"a multiple of {of} ({divisor})")

    def check_share(self, key: str, whole: str, parts: str) -> None:
        """A size that is another one divided by a third."""
        if self.size(key) * self.size(parts) != self.size(whole):
            raise self.wrong(key, f"{whole} / {parts} ({self.size(whole)} / {self.size(parts)})")

    def wrong(self, key: str, expected: str) -> CheckpointMismatchError:
        """An error that names a field, its value and what was expected."""
        return CheckpointMismatchError(f"{self._where}: {key} is {self._values.get(key)!r}, expected {expected}.", _FIX)

    def get(self, key: str) -> Any:
        """A value as it is; None where the field is missing."""
        return self._values.get(key)

    def _required(self, key: str) -> Any:
        if key not in self._values:
            raise CheckpointMismatchError(f"{self._where} has no {key}.", _FIX)
        return self._values[key]


def is_positive(value: object) -> bool:
    """Whether it is a finite number above 0."""
    return is_number(value) and math.isfinite(value) and value > 0


def _is_colour(value: object) -> bool:
    return is_number(value) and 0 <= value <= 1
