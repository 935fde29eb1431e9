"""What is refused, in the words of a person who brings a script along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vlmplug.errors import OptionError, VlmplugError
from vlmplug.nearest import did_you_mean

_LISTED = 3


class SwiftValueError(OptionError, ValueError):
    """What swift refused with a ``ValueError``: scripts that catch that one still do."""


def refuse_unknown(function: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuses names that a function does not take, where swift swallowed them.

    :raises OptionError: with the nearest names.
    """
    if strangers := sorted(set(given) - set(known)):
        raise OptionError(f"{function} takes no {strangers[0]!r}.", did_you_mean(strangers[0], known))


def refuse_changed(function: str, given: Mapping[str, Any], reasons: Mapping[str, tuple[Any, str]]) -> None:
    """Refuses values that would ask for something that is not here.

    :param reasons: by name, the value that asks for nothing, and what to do instead of giving another.
    :raises OptionError: naming the first of them.
    """
    for name, (nothing, instead) in reasons.items():
        value = given.get(name, nothing)
        if value != nothing and value is not None:
            raise OptionError(f"{function}: {name}={value!r} cannot be had here.", instead)


def located(error: VlmplugError, where: str) -> VlmplugError:
    """The same error, saying where in what the caller gave it happened."""
    found = type(error)(f"{where}: {error.problem}", error.remedy)
    found.__cause__ = error
    return found


def shown(values: Iterable[str]) -> str:
    """A few names for a message."""
    names = list(values)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"
