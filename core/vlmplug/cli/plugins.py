"""``vlmplug plugins``."""

from __future__ import annotations

from vlmplug.cli.commands import CommandEntry, add_entries
from vlmplug.cli.parser import CommandParser

ACTIONS = (
    CommandEntry("list", "vlmplug.cli.plugins_list", "all plugins, working or not"),
    CommandEntry("show", "vlmplug.cli.plugins_show", "everything that is known about one plugin"),
    CommandEntry("schema", "vlmplug.cli.schema", "print the JSON Schema of manifests or registry files"),
    CommandEntry("doctor", "vlmplug.cli.doctor", "what works on this machine, what does not, and how to mend it"),
    CommandEntry("enable", "vlmplug.cli.plugins_enable", "turn plugins on, in your registry file"),
    CommandEntry("disable", "vlmplug.cli.plugins_disable", "turn plugins off, in your registry file"),
    CommandEntry("install", "vlmplug.cli.install", "install plugins with uv or pip"),
    CommandEntry("uninstall", "vlmplug.cli.uninstall", "uninstall plugins"),
)


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``plugins``."""
    add_entries(parser.add_subparsers(title="actions", metavar="ACTION", required=True), ACTIONS)
