"""Does the installed lmdeploy still have the shape that ``vlmplug.engine`` was written for?

Every module of the engine package that reaches into lmdeploy lists what it needs as rows of :class:`Needed`. One call
checks all rows and raises one error that names everything that is gone, before anything is changed.
"""

from __future__ import annotations

import importlib
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, cast

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from vlmplug.errors import EngineIncompatibleError, EngineMissingError

SUPPORTED_LMDEPLOY = SpecifierSet(">=0.18,<0.19")
"""The versions of lmdeploy whose internals this package knows."""

_REMEDY = 'Install the engine that this vlmplug was made for: pip install "vlmplug[engine]".'


@dataclass(frozen=True)
class Needed:
    """One attribute of lmdeploy that vlmplug reads, wraps or replaces.

    :param module: the module's full name.
    :param attribute: the name in it; dots lead into classes.
    :param parameters: parameter names that the callable must have, for those that we wrap.
    """

    module: str
    attribute: str
    parameters: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute}"


def check_lmdeploy(needed: Iterable[Needed]) -> None:
    """Check version and shape of the installed lmdeploy.

    :raises EngineMissingError: lmdeploy is not installed.
    :raises EngineIncompatibleError: the version is out of range, or rows are gone; the message names all of them.
    """
    version = _installed_version()
    if version not in SUPPORTED_LMDEPLOY:
        raise EngineIncompatibleError(
            f"lmdeploy {version} is installed, vlmplug needs lmdeploy {SUPPORTED_LMDEPLOY}.", _REMEDY
        )
    gone = list(_gone(needed))
    if gone:
        raise EngineIncompatibleError(
            f"lmdeploy {version} has another shape than expected; gone or changed: {', '.join(gone)}.", _REMEDY
        )


def _installed_version() -> Version:
    try:
        return Version(metadata.version("lmdeploy"))
    except metadata.PackageNotFoundError as error:
        raise EngineMissingError("lmdeploy is not installed.", 'Run: pip install "vlmplug[engine]".') from error


def _gone(needed: Iterable[Needed]) -> Iterator[str]:
    for row in needed:
        try:
            found = look_up(row)
        except (ImportError, AttributeError):
            yield str(row)
            continue
        missing = _missing_parameters(found, row.parameters)
        if missing:
            yield f"{row}({', '.join(missing)})"


class Installation:
    """Changes to lmdeploy that are made once in a process, after everything that they rely on has been checked.

    :raises EngineMissingError: from the call: lmdeploy is not installed.
    :raises EngineIncompatibleError: from the call: it has another shape; nothing has been changed then.
    """

    def __init__(self, needed: Iterable[Needed], apply: Callable[[], None]) -> None:
        self._needed, self._apply = tuple(needed), apply
        self._lock, self._done = threading.Lock(), False

    def __call__(self) -> None:
        """Makes the changes; later calls do nothing."""
        with self._lock:
            if not self._done:
                check_lmdeploy(self._needed)
                self._apply()
                self._done = True


def look_up(row: Needed) -> object:
    """The attribute that a row names.

    :raises ImportError: there is no such module.
    :raises AttributeError: the module has no such attribute.
    """
    found: object = importlib.import_module(row.module)
    for name in row.attribute.split("."):
        found = getattr(found, name)
    return found


def _missing_parameters(found: object, names: tuple[str, ...]) -> list[str]:
    if not names:
        return []
    known = inspect.signature(cast(Callable[..., Any], found)).parameters
    return [name for name in names if name not in known]
