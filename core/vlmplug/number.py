"""What counts as a number where somebody gives one: ``True`` and ``False`` do not, although Python calls them ints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmplug.errors import OptionError, VlmplugError

if TYPE_CHECKING:
    from typing import TypeGuard


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is an int."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is an int or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_whole(
    name: str, value: object, least: int, most: int | None = None, error: type[VlmplugError] = OptionError
) -> int:
    """``value`` itself, a whole number from ``least`` to ``most``.

    :param name: what it was given for. :param most: None: unbounded. :param error: the kind of error to raise.
    :raises OptionError: it is something else.
    """
    if not is_whole(value) or value < least or (most is not None and value > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most:,}"
        raise error(f"{name} is {value!r}.", f"Give a whole number {limits}.")
    return value
