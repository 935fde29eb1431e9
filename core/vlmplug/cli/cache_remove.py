"""``vlmplug cache remove``: deletes what ``cache list`` shows, and nothing else."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vlmplug.cli.cache_list import kept_of, record_of, show_kept
from vlmplug.cli.flags import add_json_flag
from vlmplug.cli.output import print_json, remark
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import OptionError
from vlmplug.nearest import did_you_mean

if TYPE_CHECKING:
    from vlmplug.hub.inventory import Kept


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``cache remove``."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="a name or a model type, as `cache list` shows them")
    parser.add_argument("--all", action="store_true", help="everything that `cache list` shows")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_json_flag(parser)
    parser.set_defaults(run=_remove)


def _remove(arguments: argparse.Namespace) -> int:
    from vlmplug.cli.consent import agreed
    from vlmplug.hub.inventory import remove

    kept = kept_of(arguments)
    chosen = kept if arguments.all else _chosen(kept, arguments.names)
    if chosen and not arguments.json:
        show_kept(arguments, chosen)
    if chosen and not agreed(f"Delete {_told(chosen)}?", arguments.yes):
        remark("nothing was deleted")
        return 1
    for one in chosen:
        remove(one)
    if arguments.json:
        print_json([record_of(one) for one in chosen])
    remark(f"deleted {_told(chosen)}")
    return 0


def _told(chosen: list[Kept]) -> str:
    from vlmplug.hub.disk import readable

    return f"{len(chosen)} folder{'s' if len(chosen) != 1 else ''}, {readable(sum(one.size for one in chosen))}"


def _chosen(kept: list[Kept], names: list[str]) -> list[Kept]:
    """The folders of these names, in the order of the list.

    :raises OptionError: a name that is not on it, or none at all.
    """
    known = {name for one in kept for name in (one.name, *one.model_types)}
    if not names:
        raise OptionError("Nothing is named.", "Name what `vlmplug cache list` shows, or everything with --all.")
    for name in names:
        if name not in known:
            raise OptionError(f"Nothing of {name!r} is kept.", did_you_mean(name, known) if known else "")
    return [one for one in kept if {one.name, *one.model_types} & set(names)]
