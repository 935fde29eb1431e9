"""Public names of a package, each imported from its module when it is used for the first time."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for true; typing would take longer to import than what needs it

if TYPE_CHECKING:
    from collections.abc import Mapping


def public_name(package: str, homes: Mapping[str, tuple[str, ...]], name: str) -> object:
    """What a package means by a name.

    :param homes: module below the package, to the names that it defines.
    :raises AttributeError: it is in none of them.
    """
    home = next((module for module, names in homes.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(import_module(f"{package}.{home}"), name)
