"""``vlmplug cache list``: what lies in caches because of vlmplug."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import add_json_flag, registry_of
from vlmplug.cli.output import print_json, print_table, remark
from vlmplug.cli.parser import CommandParser

if TYPE_CHECKING:
    from vlmplug.hub.inventory import Kept


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``cache list``."""
    add_json_flag(parser)
    parser.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> int:
    kept = kept_of(arguments)
    if arguments.json:
        print_json([record_of(one) for one in kept])
    elif kept:
        show_kept(arguments, kept)
    else:
        remark("nothing is kept")
    return 0


def kept_of(arguments: argparse.Namespace) -> list[Kept]:
    """What is kept for the model types of the registry, and for vlmplug itself."""
    from vlmplug.hub.inventory import inventory

    return inventory(registry_of(arguments).model_types.values())


def show_kept(arguments: argparse.Namespace, kept: list[Kept]) -> None:
    """A table of it."""
    from vlmplug.hub.disk import readable

    header = ("NAME", "KIND", "SIZE", "STATE", "MODEL TYPES", "FOLDER")
    states = {True: "", False: "unfinished"}
    rows = [
        (one.name, one.kind, readable(one.size), states[one.complete], ", ".join(one.model_types), str(one.folder))
        for one in kept
    ]
    print_table(arguments, header, rows)


def record_of(one: Kept) -> dict[str, Any]:
    """The entry of a JSON document."""
    return {**asdict(one), "folder": str(one.folder), "model_types": list(one.model_types)}
