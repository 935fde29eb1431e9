"""``vlmplug cache``: its actions, each in a module of its own."""

from __future__ import annotations

from vlmplug.cli.commands import CommandEntry, add_entries
from vlmplug.cli.parser import CommandParser

ACTIONS = (
    CommandEntry("list", "vlmplug.cli.cache_list", "what is kept, and how much space it takes"),
    CommandEntry("remove", "vlmplug.cli.cache_remove", "delete some of it, or all"),
    CommandEntry("path", "vlmplug.cli.cache_path", "the folders"),
)


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``cache``."""
    add_entries(parser.add_subparsers(title="actions", metavar="ACTION", required=True), ACTIONS)
