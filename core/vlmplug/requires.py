"""Versions of libraries that several parts of a manifest ask for, put together."""

from __future__ import annotations

from collections.abc import Mapping

from vlmplug.statement import normal_name


def merged(*levels: Mapping[str, str]) -> dict[str, str]:
    """What holds where all of them hold: distribution -> PEP 440 specifier, each part of it once."""
    names: dict[str, str] = {}
    parts: dict[str, dict[str, None]] = {}
    for level in levels:
        for name, specifier in level.items():
            names.setdefault(normal_name(name), name)
            parts.setdefault(normal_name(name), {}).update(dict.fromkeys(part.strip() for part in specifier.split(",")))
    return {names[normal]: ",".join(found) for normal, found in parts.items()}
