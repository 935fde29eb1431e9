"""Media options: what a family lets a caller choose for its pictures and clips, as its manifest declares it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from vlmplug.errors import OptionError
from vlmplug.light_dataclass import dataclass
from vlmplug.nearest import did_you_mean
from vlmplug.number import is_number

OptionType = Literal["integer", "number", "boolean", "word", "interval"]
Medium = Literal["image", "video"]

OPTION_TYPES: tuple[OptionType, ...] = get_args(OptionType)
MEDIA: tuple[Medium, ...] = get_args(Medium)


@dataclass(frozen=True)
class MediaOption:
    """One option.

    - ``type``: ``interval`` is a pair of numbers, start before end, or nothing.
    - ``default``: its value where the caller says nothing; None where the checkpoint or the clip decides, and then
      ``default_from`` says which of its values does.
    - ``low``, ``high``: bounds of a number (of both ends of an interval), inclusive; None: unbounded.
    - ``words``: the valid words. ``media``: what it applies to. ``help``: one sentence for a person.
    """

    name: str
    type: OptionType
    default: Any
    help: str
    default_from: str | None = None
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()
    media: tuple[Medium, ...] = MEDIA

    @property
    def expected(self) -> str:
        """What a valid value is, in words."""
        if self.type == "word":
            return f"one of {', '.join(self.words)}"
        if self.type == "boolean":
            return "true or false"
        kind = {"integer": "a whole number", "number": "a number"}.get(self.type, "a pair of numbers, start and end,")
        return kind + self._bounds()

    def accepts(self, value: Any) -> bool:
        """Whether ``value`` is valid; None stands for the default."""
        return value is None or _CHECKS[self.type](self, value)

    def within(self, value: Any) -> bool:
        """Whether ``value`` is a finite number between the bounds."""
        if not is_number(value) or not math.isfinite(value):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def _bounds(self) -> str:
        if self.low is not None and self.high is not None:
            return f" from {self.low:.12g} to {self.high:.12g}"
        if self.low is not None:
            return f" of at least {self.low:.12g}"
        return f" of at most {self.high:.12g}" if self.high is not None else ""


def check_media_options(
    declared: Mapping[str, MediaOption], given: Mapping[str, Any], where: str, medium: Medium | None = None
) -> None:
    """Checks options against what a family declares.

    :param where: what they were given for, for example ``"the request"`` or ``"picture 2"``.
    :param medium: what they apply to; None for a whole request, which takes options of either.
    :raises OptionError: no mapping, an unknown name (with the nearest valid one), a value of the wrong type or out of
        range, or an option of clips given for a picture, or the other way round.
    """
    if not isinstance(given, Mapping):
        raise OptionError(f"{where}: media options are of type {type(given).__name__}.", 'Give a dict: {"max_num": 6}.')
    for name, value in given.items():
        if name not in declared:
            raise OptionError(f"{where}: there is no media option {name!r}.", did_you_mean(str(name), declared))
        option = declared[name]
        if medium is not None and medium not in option.media:
            raise OptionError(f"{where}: {name} does not apply to one {medium}.", "Give it for the whole request.")
        if not option.accepts(value):
            raise OptionError(f"{where}: {name} is {value!r}.", f"Give {option.expected}.")


def _is_integer(option: MediaOption, value: Any) -> bool:
    return isinstance(value, int) and option.within(value)


def _is_number(option: MediaOption, value: Any) -> bool:
    return option.within(value)


def _is_boolean(option: MediaOption, value: Any) -> bool:
    return isinstance(value, bool)


def _is_word(option: MediaOption, value: Any) -> bool:
    return isinstance(value, str) and value in option.words


def _is_interval(option: MediaOption, value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    start, end = value
    return option.within(start) and option.within(end) and start < end


_CHECKS: Mapping[OptionType, Callable[[MediaOption, Any], bool]] = {
    "integer": _is_integer,
    "number": _is_number,
    "boolean": _is_boolean,
    "word": _is_word,
    "interval": _is_interval,
}
