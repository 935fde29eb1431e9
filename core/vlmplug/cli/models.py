"""``vlmplug models``: its actions, each in a module of its own."""

from __future__ import annotations

from vlmplug.cli.commands import CommandEntry, add_entries
from vlmplug.cli.parser import CommandParser

ACTIONS = (
    CommandEntry("list", "vlmplug.cli.models_list", "all model types that can be used"),
    CommandEntry("show", "vlmplug.cli.models_show", "everything that is known about one model type"),
    CommandEntry("resolve", "vlmplug.cli.models_resolve", "which model type a name, a hub id or a folder leads to"),
    CommandEntry("default", "vlmplug.cli.models_default", "what is taken where no model is named; show it or set it"),
    CommandEntry("pull", "vlmplug.cli.models_pull", "download a checkpoint, or what is missing of it"),
)


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``models``."""
    add_entries(parser.add_subparsers(title="actions", metavar="ACTION", required=True), ACTIONS)
