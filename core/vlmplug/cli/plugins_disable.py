"""``vlmplug plugins disable``: turns plugins off, in the user's registry file."""

from __future__ import annotations

from vlmplug.cli.parser import CommandParser
from vlmplug.cli.plugin_switch import add_switch_flags


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``plugins disable``."""
    add_switch_flags(parser, enabled=False)
