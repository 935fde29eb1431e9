"""``vlmplug models resolve MODEL``: which model type it leads to, what decided, and what was considered."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import add_json_flag, registry_of
from vlmplug.cli.model_choice import add_model_argument, resolution_of
from vlmplug.cli.output import print_facts, print_json, print_table
from vlmplug.cli.parser import CommandParser
from vlmplug.table import Painted

if TYPE_CHECKING:
    from vlmplug.detection import Candidate
    from vlmplug.resolve import Resolution


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``models resolve``."""
    add_model_argument(parser)
    parser.set_defaults(run=_resolve)
    add_json_flag(parser)


def _resolve(arguments: argparse.Namespace) -> int:
    found = resolution_of(registry_of(arguments), arguments.model)
    if arguments.json:
        print_json(_record(found))
    else:
        print_facts(arguments, _facts(found))
        print()
        print_table(arguments, ("CONSIDERED", "FITS", "WHY"), [_row(candidate) for candidate in found.considered])
    found.unique()
    return 0


def _facts(found: Resolution) -> dict[str, str]:
    reference = found.reference
    return {
        "model type": found.model_type.name if found.model_type else "(none)",
        "family": f"{found.family.name} ({found.family.title})" if found.family else "",
        "rule": found.rule,
        "because": found.because,
        "repository": reference.repository if reference else "",
        "revision": reference.revision or "" if reference else "",
        "folder": str(found.folder or ""),
    }


def _row(candidate: Candidate) -> tuple[object, ...]:
    return candidate.name, Painted("yes", "good") if candidate.fits else Painted("no", "dim"), candidate.why


def _record(found: Resolution) -> dict[str, Any]:
    reference = found.reference
    return {
        "asked": found.asked,
        "model_type": found.model_type.name if found.model_type else None,
        "family": found.family.name if found.family else None,
        "rule": found.rule,
        "because": found.because,
        "hub": reference.hub if reference else None,
        "repository": reference.repository if reference else None,
        "revision": reference.revision if reference else None,
        "folder": str(found.folder) if found.folder else None,
        "considered": [{"model_type": one.name, "fits": one.fits, "why": one.why} for one in found.considered],
        "error": found.error.problem if found.error else None,
        "fix": found.error.remedy or None if found.error else None,
    }
