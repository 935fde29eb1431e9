"""``vlmplug cache path``: the folders in which something is kept."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmplug.cli.flags import add_json_flag
from vlmplug.cli.output import print_json, print_table
from vlmplug.cli.parser import CommandParser


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``cache path``."""
    add_json_flag(parser)
    parser.set_defaults(run=_path)


def _path(arguments: argparse.Namespace) -> int:
    from vlmplug.hub.options import HUBS, HubOptions
    from vlmplug.user_folder import cache_folder

    options = HubOptions()
    places: dict[str, Path] = {"vlmplug": cache_folder()}
    places |= {hub: options.cache(hub) for hub in HUBS}
    if arguments.json:
        print_json({name: str(place) for name, place in places.items()})
    else:
        print_table(arguments, ("CACHE", "FOLDER"), [(name, str(place)) for name, place in places.items()])
    return 0
