"""``vlmplug plugins list``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import Commands, add_json_flag, add_parser, registry_of
from vlmplug.cli.output import print_json
from vlmplug.table import format_table

if TYPE_CHECKING:
    from vlmplug.registry import PluginRecord, Registry


def add_command(commands: Commands) -> None:
    """Adds ``plugins``."""
    parser = add_parser(commands, "plugins", "list plugins, with what is wrong with them")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = add_parser(actions, "list", "all plugins, working or not")
    listing.set_defaults(run=_list)
    add_json_flag(listing)


def _list(arguments: argparse.Namespace) -> int:
    registry = registry_of(arguments)
    if arguments.json:
        print_json([_record(registry, record) for record in registry.plugins.values()])
        return 0
    header = ("PLUGIN", "STATUS", "VERSION", "FROM", "HOOKS", "MODEL TYPES")
    rows = [_row(registry, record) for record in registry.plugins.values()]
    print("\n".join([format_table(header, rows), *_problems(registry)]))
    return 0


def _row(registry: Registry, record: PluginRecord) -> tuple[object, ...]:
    return (
        record.name,
        record.status,
        record.version or "",
        record.distribution or str(record.manifest or ""),
        record.hooks or "(none)",
        len(_model_types(registry, record)),
    )


def _record(registry: Registry, record: PluginRecord) -> dict[str, Any]:
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
        "families": [family.name for family in registry.families.values() if family.plugin == record.name],
        "model_types": _model_types(registry, record),
        "error": error.problem if error else None,
        "fix": error.remedy or None if error else None,
    }


def _model_types(registry: Registry, record: PluginRecord) -> list[str]:
    return [entry.name for entry in registry.model_types.values() if entry.plugin == record.name]


def _problems(registry: Registry) -> list[str]:
    lines = []
    for record in registry.plugins.values():
        if record.enabled and record.error is not None:
            lines.append(f"\n{record.name}: {record.error.problem}")
            lines += [f"fix: {record.error.remedy}"] if record.error.remedy else []
    for name, claims in registry.contested.items():
        claimants = " and ".join(f"{claim.plugin} ({claim.source})" for claim in claims)
        lines.append(f"\n{name}: claimed by {claimants}")
    return lines
