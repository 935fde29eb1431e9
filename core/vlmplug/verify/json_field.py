"""Values of a JSON file that know where they stand, so that every error names file and key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmplug.errors import GoldenSetError
from vlmplug.nearest import did_you_mean
from vlmplug.number import is_whole

#: Bytes of one JSON file of a set; the largest official one has 0.3 million.
MAX_BYTES = 200_000_000


@dataclass(frozen=True)
class Field:
    """One value.

    - ``content``: what `json` made of it. ``file``: the file's name. ``key``: the way from the top.
    """

    content: Any
    file: str
    key: str = ""

    def error(self, problem: str, remedy: str = "") -> GoldenSetError:
        """An error that starts with file and key."""
        return GoldenSetError(f"{self.file}: {self.key or 'the file'}: {problem}", remedy)

    @property
    def empty(self) -> bool:
        """Whether it is null."""
        return self.content is None

    def fields(self, required: str, optional: str = "") -> dict[str, Field]:
        """The members of an object whose keys are known; both lists are words with spaces between.

        :raises GoldenSetError: a key that is missing, or one that format 1 does not know.
        """
        known = [*required.split(), *optional.split()]
        members = self.members()
        for name in members:
            if name not in known:
                raise self.error(f"unknown key {name!r}.", did_you_mean(name, known))
        for name in required.split():
            if name not in members:
                raise self.error(f"the key {name!r} is missing.")
        return members

    def members(self) -> dict[str, Field]:
        """The members of an object with free keys."""
        content = self._typed(dict, "an object")
        return {name: self._inner(name, value) for name, value in content.items()}

    def items(self) -> list[Field]:
        """The values of a list."""
        content = self._typed(list, "a list")
        return [Field(value, self.file, f"{self.key}[{index}]") for index, value in enumerate(content)]

    def text(self) -> str:
        """A string."""
        return str(self._typed(str, "a string"))

    def texts(self) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(item.text() for item in self.items())

    def word(self, valid: Sequence[str]) -> str:
        """One of the words ``valid``."""
        if self.content not in valid:
            raise self.error(f"{self.content!r} is not one of {', '.join(valid)}.")
        return str(self.content)

    def flag(self) -> bool:
        """``true`` or ``false``."""
        return bool(self._typed(bool, "true or false"))

    def integer(self, low: int | None = None) -> int:
        """A whole number, at least ``low``."""
        if not is_whole(self.content) or (low is not None and self.content < low):
            raise self.error(f"{self.content!r} is not a whole number{'' if low is None else f' from {low}'}.")
        return int(self.content)

    def integers(self, low: int | None = None, length: int | None = None) -> tuple[int, ...]:
        """A list of whole numbers, at least ``low`` each, ``length`` of them."""
        content = self._typed(list, "a list of whole numbers")
        if not all(is_whole(value) and (low is None or value >= low) for value in content):
            raise self.error(f"not every value is a whole number{'' if low is None else f' from {low}'}.")
        if length is not None and len(content) != length:
            raise self.error(f"{len(content)} numbers where {length} were expected.")
        return tuple(content)

    def number(self) -> float:
        """A number."""
        if not is_whole(self.content) and not isinstance(self.content, float):
            raise self.error(f"{self.content!r} is not a number.")
        return float(self.content)

    def numbers(self) -> tuple[float, ...]:
        """A number, or a list of numbers."""
        return tuple(item.number() for item in self.items()) if isinstance(self.content, list) else (self.number(),)

    def _typed(self, kind: type[Any], name: str) -> Any:
        if not isinstance(self.content, kind):
            raise self.error(f"expected {name}, found {type(self.content).__name__}.")
        return self.content

    def _inner(self, name: str, value: Any) -> Field:
        return Field(value, self.file, f"{self.key}.{name}" if self.key else name)


def read_json(folder: Path, name: str) -> Field:
    """The top value of a JSON file.

    :raises GoldenSetError: the file is missing, too large, or not JSON.
    """
    path = folder / name
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GoldenSetError(f"{path} has more than {MAX_BYTES} bytes.")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GoldenSetError(
            f"{path} cannot be read: {error.strerror}.", "Give the folder of a reference set of format 1."
        ) from error
    except (ValueError, RecursionError) as error:
        raise GoldenSetError(f"{path} is not JSON: {error}.") from error
    return Field(content, name)
