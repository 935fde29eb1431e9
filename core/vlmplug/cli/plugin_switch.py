"""Whether plugins count: what ``plugins enable`` and ``plugins disable`` have in common."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from vlmplug.cli.flags import add_json_flag, registry_of
from vlmplug.cli.output import print_json, remark
from vlmplug.cli.parser import CommandParser

if TYPE_CHECKING:
    from vlmplug.registry import PluginRecord


def add_switch_flags(parser: CommandParser, enabled: bool) -> None:
    """Fills a parser; ``enabled``: what is written."""
    parser.add_argument("plugins", nargs="+", metavar="PLUGIN", help="name of a plugin, working or not")
    add_json_flag(parser)
    parser.set_defaults(run=partial(_switch, enabled))


def _switch(enabled: bool, arguments: argparse.Namespace) -> int:
    from vlmplug.discovery import user_file
    from vlmplug.registry_edit import set_enabled

    known = registry_of(arguments)
    names = [known.plugin(name).name for name in dict.fromkeys(arguments.plugins)]  # a misspelt name changes nothing
    value = str(enabled).lower()
    for name in names:
        said = "wrote" if set_enabled(user_file(), name, enabled) else "there was already"
        remark(f"note: {said} enabled: {value} for {name} in {user_file()}")
    plugins = registry_of(arguments).plugins
    records = [plugins[name] for name in names]
    for record in records:
        if record.enabled is not enabled:
            remark(f"note: {record.source} says enabled: {str(record.enabled).lower()}, and wins over your file")
    if arguments.json:
        print_json([_document(record) for record in records])
    else:
        for record in records:
            print(f"{record.name}: {record.status}{_why(record)}")
    return 0


def _why(record: PluginRecord) -> str:
    """What keeps a plugin from working besides being off."""
    if record.blocked is not None:
        return f", {record.blocked}"
    return f", {record.error.problem}" if record.enabled and record.error is not None else ""


def _document(record: PluginRecord) -> dict[str, object]:
    source = record.source
    return {
        "plugin": record.name,
        "enabled": record.enabled,
        "status": record.status,
        "file": None if source is None else str(source.file),
        "line": None if source is None else source.line,
    }
