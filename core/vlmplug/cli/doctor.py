"""``vlmplug plugins doctor``: what of this machine and of the plugins works, what does not, and how to mend it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import add_json_flag, registry_files_of, strict_of
from vlmplug.cli.output import print_json, print_table
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import RegistryError
from vlmplug.table import Painted

if TYPE_CHECKING:
    from vlmplug.doctor.check import Check
    from vlmplug.doctor.examination import DoctorOptions
    from vlmplug.registry import Registry

#: How a status is shown.
_STYLES = {"ok": "good", "note": "dim", "warning": "doubtful", "problem": "bad"}


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``plugins doctor``."""
    parser.add_argument("plugins", nargs="*", metavar="PLUGIN", help="look at these plugins only, not at the machine")
    parser.add_argument("--offline", action="store_true", help="ask no hub")
    parser.add_argument(
        "--seconds", type=_seconds, default=60.0, metavar="N", help="how long the import of one plugin may take (60)"
    )
    add_json_flag(parser)
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError(text)
    return seconds


def _run(arguments: argparse.Namespace) -> int:
    checks = _examined(arguments)
    if arguments.json:
        print_json(document(checks))
    else:
        print_checks(arguments, checks)
    worst = max((check.rank for check in checks), default=0)
    return 1 if worst >= (2 if strict_of(arguments) else 3) else 0


def _examined(arguments: argparse.Namespace) -> list[Check]:
    from vlmplug.doctor.examination import examine_machine, examine_plugins

    options = _options(arguments)
    registry, unreadable = _lenient_registry(arguments)
    names = dict.fromkeys(arguments.plugins) or registry.plugins
    records = [registry.plugin(name) for name in names]
    machine = [] if arguments.plugins else examine_machine(options)
    return [*machine, *unreadable, *examine_plugins(registry, records, options)]


def _options(arguments: argparse.Namespace) -> DoctorOptions:
    from vlmplug.doctor.examination import DoctorOptions
    from vlmplug.hub.options import HubOptions

    return DoctorOptions(HubOptions(offline=True if arguments.offline else None), arguments.seconds)


def _lenient_registry(arguments: argparse.Namespace) -> tuple[Registry, list[Check]]:
    """The registry without what is broken, and a row for each file of ``--registry`` that cannot be read."""
    from vlmplug.discovery import default_sources
    from vlmplug.doctor.check import Check
    from vlmplug.registry import load_registry

    good, rows = [], []
    for file in registry_files_of(arguments):
        try:
            load_registry(replace(default_sources([file]), installed=False, user=None))
            good.append(file)
        except RegistryError as error:
            rows.append(Check("registry file", "problem", error.problem, fix=error.remedy, group="plugins"))
    return load_registry(default_sources(good)), rows


def document(checks: Sequence[Check]) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "healthy": all(check.status != "problem" for check in checks),
        "counts": {status: sum(check.status == status for check in checks) for status in _STYLES},
        "checks": [_entry(check) for check in checks],
    }


def _entry(check: Check) -> dict[str, Any]:
    return {
        "group": check.group,
        "check": check.subject,
        "status": check.status,
        "found": check.found,
        "needed": check.needed or None,
        "fix": check.fix or None,
    }


def print_checks(arguments: argparse.Namespace, checks: Sequence[Check]) -> None:
    """The report as a table: a line a check, its fix below it, and what it all comes to."""
    print_table(arguments, ("STATUS", "CHECK", "FOUND"), [row for check in checks for row in _rows(check)])
    print(f"\n{_summary(checks)}")


def _rows(check: Check) -> Iterable[tuple[str, str, str]]:
    needed = f" (needed: {check.needed})" if check.needed else ""
    yield Painted(check.status, _STYLES[check.status]), check.subject, f"{check.found}{needed}"
    if check.fix:
        yield "", "", Painted(f"fix: {check.fix}", "name")


def _summary(checks: Sequence[Check]) -> str:
    counts = {name: sum(check.status == name for check in checks) for name in ("problem", "warning", "note")}
    told = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count]
    return f"{', '.join(told)}." if told else "All is well."
