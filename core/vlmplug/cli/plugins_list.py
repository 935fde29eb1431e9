"""``vlmplug plugins list``: all plugins, working or not."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import add_json_flag, silent_registry_of
from vlmplug.cli.output import print_json, print_table
from vlmplug.cli.parser import CommandParser
from vlmplug.table import Painted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlmplug.registry import PluginRecord, Registry

#: How a plugin's status is shown.
STYLES: Mapping[str, str] = {"ready": "good", "off": "dim", "blocked": "dim", "missing": "dim", "broken": "bad"}


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``plugins list``."""
    add_json_flag(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    registry = silent_registry_of(arguments)
    if arguments.json:
        print_json([plugin_document(registry, record) for record in registry.plugins.values()])
        return 0
    header = ("PLUGIN", "STATUS", "VERSION", "FROM", "HOOKS", "MODEL TYPES")
    print_table(arguments, header, [_row(registry, record) for record in registry.plugins.values()])
    for line in _problems(registry):
        print(line)
    return 0


def _row(registry: Registry, record: PluginRecord) -> tuple[object, ...]:
    return (
        Painted(record.name, "name"),
        Painted(record.status, STYLES[record.status]),
        record.version or "",
        record.distribution or str(record.manifest or ""),
        record.hooks or "(none)",
        len(model_types_of(registry, record)),
    )


def plugin_document(registry: Registry, record: PluginRecord) -> dict[str, Any]:
    """A plugin as JSON; none of its code is imported."""
    error = record.error
    return {
        "plugin": record.name,
        "status": record.status,
        "layer": record.layer,
        "distribution": record.distribution,
        "version": record.version,
        "manifest": str(record.manifest) if record.manifest else None,
        "hooks": record.hooks,
        "api": record.api,
        "wrappers": record.wrappers,
        "enabled": record.enabled,
        "blocked": record.blocked,
        "requires": [{"distribution": name, "versions": versions} for name, versions in record.requires.items()],
        "families": [family.name for family in registry.families.values() if family.plugin == record.name],
        "model_types": model_types_of(registry, record),
        "error": error.problem if error else None,
        "fix": error.remedy or None if error else None,
    }


def model_types_of(registry: Registry, record: PluginRecord) -> list[str]:
    """Names of the model types that a plugin declares."""
    return [entry.name for entry in registry.model_types.values() if entry.plugin == record.name]


def _problems(registry: Registry) -> Iterator[str]:
    for record in registry.plugins.values():
        if record.blocked is not None:
            yield f"\n{record.name}: {record.blocked}"
        elif record.enabled and record.error is not None:
            yield f"\n{record.name}: {record.error.problem}"
            if record.error.remedy:
                yield f"fix: {record.error.remedy}"
    if registry.contested or registry.problems:
        yield from _others(registry)


def _others(registry: Registry) -> Iterator[str]:
    """What is wrong with names and registry files."""
    from vlmplug.claims import duplicate

    contested = [duplicate(name, claims) for name, claims in registry.contested.items()]
    for error in (*contested, *registry.problems):
        yield f"\n{error.problem}"
        if error.remedy:
            yield f"fix: {error.remedy}"
