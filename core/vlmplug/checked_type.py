"""What a caller hands over, checked for its type where it comes in."""

from __future__ import annotations

from typing import Any, TypeAlias

from vlmplug.errors import OptionError, VlmplugError

Kinds: TypeAlias = "type[Any] | tuple[type[Any], ...]"


def check_type(name: str, value: object, kinds: Kinds, fix: str, error: type[VlmplugError] = OptionError) -> None:
    """Refuses what is none of ``kinds``.

    :param name: what it was given for. :param fix: what to give instead. :param error: the kind of error to raise.
    :raises OptionError: it is something else.
    """
    if not isinstance(value, kinds):
        raise error(f"{name} is of type {type(value).__name__}.", fix)
