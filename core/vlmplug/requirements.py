"""What plugins need of other libraries, compared with what is installed. No library is imported for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata

from vlmplug.errors import RequirementError


@dataclass(frozen=True)
class Unmet:
    """A requirement that does not hold.

    - ``name``: of the distribution. ``needed``: PEP 440 specifier; empty: any version.
    - ``found``: the version that is installed; None: none is.
    - ``problem``: why it does not hold; empty where ``needed`` and ``found`` say it all.
    """

    name: str
    needed: str
    found: str | None
    problem: str = ""

    def __str__(self) -> str:
        needed = f"{self.name} {self.needed}".rstrip()
        found = f"found {self.found}" if self.found else "it is not installed"
        return f"{needed} ({self.problem or found})"

    @property
    def argument(self) -> str:
        """What to tell pip: ``transformers>=5.10``."""
        return self.name if self.problem else f"{self.name}{self.needed}".replace(" ", "")


def unmet(requires: Mapping[str, str]) -> list[Unmet]:
    """The requirements that do not hold here.

    :param requires: distribution -> PEP 440 specifier, such as ``{"transformers": ">=5.10,<6"}``.
    """
    return [problem for name, needed in requires.items() if (problem := _checked(name, needed)) is not None]


def fix(problems: Iterable[Unmet]) -> str:
    """The command that installs what is needed."""
    return "Run: pip install " + " ".join(f'"{problem.argument}"' for problem in problems)


def raise_unmet(who: str, problems: Iterable[Unmet]) -> None:
    """Nothing, where there are none.

    :param who: what needs them, for the message: ``Plugin internvl2``.
    :raises RequirementError: naming what is needed, what is installed, and the command that mends it.
    """
    if found := list(problems):
        raise RequirementError(f"{who} needs {', '.join(map(str, found))}.", fix(found))


def _checked(name: str, needed: str) -> Unmet | None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    found = _installed(name)
    if found is None:
        return Unmet(name, needed, None)
    try:
        holds = SpecifierSet(needed).contains(Version(found), prereleases=True)
    except InvalidSpecifier:
        return Unmet(name, needed, found, f"{needed!r} is no version specifier; correct it in the manifest")
    except InvalidVersion:
        return Unmet(name, needed, found, f"found {found}, which is no version")
    return None if holds else Unmet(name, needed, found)


def _installed(name: str) -> str | None:
    """The version of a distribution; None where it is not installed or its metadata are broken."""
    try:
        found: str | None = metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError, KeyError):
        return None
    return found
