"""Python, the platform, and the versions of the libraries that vlmplug and its engine need."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from vlmplug.doctor.check import Check

#: Distribution -> its installed version; None where it is not installed.
Installed: TypeAlias = Callable[[str], "str | None"]

ENGINE_FIX = 'Run: pip install "vlmplug[engine]"'

#: glibc for which lmdeploy's wheels for Linux are built (manylinux_2_28).
_GLIBC = (2, 28)


@dataclass(frozen=True)
class Platform:
    """``system``: as `sys.platform`; ``libc``: its name and version, both empty where there is none to tell."""

    system: str
    machine: str
    libc: tuple[str, str] = ("", "")

    @classmethod
    def here(cls) -> Platform:
        """The one that this runs on."""
        return cls(sys.platform, platform.machine(), platform.libc_ver())


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution; nothing of it is imported."""
    try:
        version: str | None = metadata.version(distribution)
    except (metadata.PackageNotFoundError, ValueError, KeyError):  # not installed, or with broken metadata
        return None
    return version


def check_python(version: str, needed: str) -> Check:
    """:param needed: PEP 440 specifier."""
    if SpecifierSet(needed).contains(version, prereleases=True):
        return Check("Python", "ok", version, needed)
    return Check("Python", "problem", version, needed, "Use vlmplug with a Python of a version that fits.")


def check_platform(here: Platform) -> Check:
    """Whether lmdeploy has wheels for it, without which nothing can be asked and all else works."""
    found = " ".join(filter(None, (here.system, here.machine, *here.libc)))
    needed = "for the engine: Linux x86-64 with glibc 2.28 or newer, or Windows x86-64"
    if _has_wheels(here):
        return Check("platform", "ok", found, needed)
    return Check("platform", "note", found, needed, "List, render and verify here; ask models on such a machine.")


def _has_wheels(here: Platform) -> bool:
    if here.system == "linux" and here.machine == "x86_64":
        name, version = here.libc
        return name == "glibc" and _numbers(version) >= _GLIBC
    return here.system == "win32" and here.machine.upper() == "AMD64"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def check_own_libraries(requires: Iterable[str], installed: Installed) -> Iterator[Check]:
    """What vlmplug needs without its extras: a row for all, or one for each that does not fit.

    :param requires: lines of the distribution's metadata (PEP 508).
    """
    rows = [_check(one, installed) for one in _applying(requires, "")]
    wrong = [row for row in rows if row.status != "ok"]
    yield from wrong or [Check("libraries", "ok", f"{len(rows)} that vlmplug needs, all of versions that fit")]


def check_engine_libraries(requires: Iterable[str], lmdeploy: str, installed: Installed) -> Iterator[Check]:
    """lmdeploy and what belongs to it: a row each; one for all where lmdeploy is not installed.

    :param lmdeploy: the versions of it that vlmplug knows (PEP 440).
    """
    needed = Requirement(f"lmdeploy{lmdeploy}")
    if installed("lmdeploy") is None:
        found = "not installed; models can be listed, rendered and verified, not asked"
        yield Check("lmdeploy", "note", found, str(needed.specifier), ENGINE_FIX)
        return
    yield _check(needed, installed, ENGINE_FIX)
    names = ("torch", "transformers", "safetensors")
    for one in _applying(requires, "engine"):
        if one.name in names:
            yield _check(one, installed, ENGINE_FIX)


def check_conflicts(owner: str, requires: Iterable[str], installed: Installed) -> Iterator[Check]:
    """Libraries whose versions do not fit what another distribution asks for."""
    present = [one for one in _applying(requires, "") if installed(one.name) is not None]
    wrong = [one for one in present if not _fits(one, installed(one.name))]
    if wrong:
        found = ", ".join(f"{one.name} {installed(one.name)}" for one in wrong)
        needed = ", ".join(f"{one.name}{one.specifier}" for one in wrong)
        packages = " ".join(f'"{one.name}{one.specifier}"' for one in wrong)
        yield Check(f"what {owner} needs", "warning", found, needed, f"Run: pip install {packages}")


def check_video(requires: Iterable[str], installed: Installed) -> Check:
    """One of two libraries is enough for clips."""
    libraries = {one.name: one for one in _applying(requires, "video")}
    found = {name: version for name in libraries if (version := installed(name)) is not None}
    needed = " or ".join(f"{one.name}{one.specifier}" for one in libraries.values())
    words = ", ".join(f"{name} {version}" for name, version in found.items())
    if any(_fits(libraries[name], version) for name, version in found.items()):
        return Check("video", "ok", words, needed)
    return Check("video", "note", words or "no library for clips", needed, 'Run: pip install "vlmplug[video]"')


def _applying(requires: Iterable[str], extra: str) -> Iterator[Requirement]:
    """Those that apply on this machine, with an extra of vlmplug or, where it is empty, without any."""
    for line in requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue  # that distribution's own fault, and not of importance here
        marker = requirement.marker
        without = marker is None or marker.evaluate({"extra": ""})
        if without != bool(extra) and (not extra or (marker is not None and marker.evaluate({"extra": extra}))):
            yield requirement


def _check(requirement: Requirement, installed: Installed, fix: str = "") -> Check:
    name, needed = requirement.name, str(requirement.specifier)
    version = installed(name)
    if version is not None and _fits(requirement, version):
        return Check(name, "ok", version, needed)
    found = version or "not installed"
    return Check(name, "problem", found, needed, fix or f'Run: pip install "{name}{needed}"')


def _fits(requirement: Requirement, version: str | None) -> bool:
    try:
        return requirement.specifier.contains(Version(version or ""), prereleases=True)
    except InvalidVersion:
        return False
