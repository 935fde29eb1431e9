"""``vlmplug plugins show NAME``: everything that is known about one plugin."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import add_json_flag, registry_of
from vlmplug.cli.models_verified import STATE_STYLES, outcome_records
from vlmplug.cli.output import print_facts, print_json, print_table
from vlmplug.cli.parser import CommandParser
from vlmplug.cli.plugins_list import STYLES, model_types_of, plugin_document
from vlmplug.table import Painted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vlmplug.doctor.plugin_probe import Loaded
    from vlmplug.registry import PluginRecord, Registry
    from vlmplug.verification import Outcome, Verification

_IMPORT_SECONDS = 60.0


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``plugins show``."""
    parser.add_argument("plugin", metavar="PLUGIN", help="name of a plugin")
    add_json_flag(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from vlmplug.verification import read_verification

    registry = registry_of(arguments)
    record = registry.plugin(arguments.plugin)
    loaded = _loaded(record)
    verification = read_verification(record)
    if arguments.json:
        print_json(_document(registry, record, loaded, verification))
        return 0
    print_facts(arguments, _facts(arguments, registry, record, loaded))
    _print_verification(arguments, registry, record, verification)
    return 0


def _loaded(record: PluginRecord) -> Loaded | None:
    """What its code offers; it is imported in a process of its own. None: it has none, or is not ready."""
    if record.status != "ready" or record.hooks is None:
        return None
    from vlmplug.doctor.plugin_probe import load_in_child

    return load_in_child(record, _IMPORT_SECONDS)


def _document(
    registry: Registry, record: PluginRecord, loaded: Loaded | None, verification: Verification
) -> dict[str, Any]:
    document = plugin_document(registry, record)
    if loaded is not None and loaded.problem:
        document |= {"error": loaded.problem, "fix": loaded.fix or None}
    return {
        **document,
        "requires": [{**one, "found": _version(one["distribution"])} for one in document["requires"]],
        "source": str(record.source) if record.source else None,
        "implements": list(loaded.hooks) if loaded else [],
        "wraps": list(loaded.wrappers) if loaded else [],
        "verification": [
            {"family": name, "checks": outcome_records(outcomes)}
            for name, outcomes in _outcomes(registry, record, verification).items()
        ],
        "verification_problems": list(verification.problems),
    }


def _facts(
    arguments: argparse.Namespace, registry: Registry, record: PluginRecord, loaded: Loaded | None
) -> dict[str, str]:
    from vlmplug.cli.output import painter_of

    problem, fix = _problem(record, loaded)
    return {
        "plugin": record.name,
        "status": painter_of(arguments)(record.status, STYLES[record.status]),
        "problem": problem,
        "fix": fix,
        "version": record.version or "",
        "distribution": record.distribution or "",
        "declared": f"{record.source} ({record.source.layer})" if record.source else "entry point of its package",
        "enabled": "yes" if record.enabled else "no",
        "manifest": str(record.manifest or ""),
        "hooks": f"{record.hooks} (API {record.api})" if record.hooks else "none, a manifest without code",
        "implements": ", ".join(loaded.hooks) if loaded else "",
        "wraps": ", ".join(loaded.wrappers) if loaded else "",
        "requires": ", ".join(f"{name} {needed} ({_found(name)})" for name, needed in record.requires.items()),
        "families": ", ".join(f.name for f in registry.families.values() if f.plugin == record.name),
        "model types": ", ".join(model_types_of(registry, record)),
    }


def _problem(record: PluginRecord, loaded: Loaded | None) -> tuple[str, str]:
    if record.blocked is not None:
        return record.blocked, ""
    if record.error is not None:
        return record.error.problem, record.error.remedy
    return (loaded.problem, loaded.fix) if loaded else ("", "")


def _found(distribution: str) -> str:
    version = _version(distribution)
    return f"found {version}" if version else "not installed"


def _version(distribution: str) -> str | None:
    from vlmplug.doctor.libraries import installed_version

    return installed_version(distribution)


def _outcomes(
    registry: Registry, record: PluginRecord, verification: Verification
) -> Mapping[str, Mapping[str, Outcome]]:
    """By family that the plugin owns."""
    families = [family.name for family in registry.families.values() if family.plugin == record.name]
    return {name: verification.of_family(name) for name in families}


def _print_verification(
    arguments: argparse.Namespace, registry: Registry, record: PluginRecord, verification: Verification
) -> None:
    outcomes = _outcomes(registry, record, verification)
    if outcomes:
        checks = list(next(iter(outcomes.values())))
        print()
        rows = [[name, *map(_painted, found.values())] for name, found in outcomes.items()]
        print_table(arguments, ["VERIFIED", *(check.upper() for check in checks)], rows)
    for problem in verification.problems:
        print(f"\nnot counted: {problem}")


def _painted(outcome: Outcome) -> Painted:
    return Painted(str(outcome), STATE_STYLES[outcome.state])
