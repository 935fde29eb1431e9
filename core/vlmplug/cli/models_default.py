"""``vlmplug models default [MODEL]``: the model type that commands take where none is named; shown, set or unset."""

from __future__ import annotations

import argparse

from vlmplug.cli.flags import add_json_flag, registry_of
from vlmplug.cli.model_choice import default_of
from vlmplug.cli.output import print_json, remark
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import OptionError


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``models default``."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("model", nargs="?", metavar="TYPE", help="model type, alias or hub id; left out: show it")
    choice.add_argument("--unset", action="store_true", help="take it out of your registry file again")
    parser.set_defaults(run=_default)
    add_json_flag(parser)


def _default(arguments: argparse.Namespace) -> int:
    if arguments.model is not None:
        _set(arguments)
    elif arguments.unset:
        _unset()
    return _show(arguments)


def _set(arguments: argparse.Namespace) -> None:
    from vlmplug.discovery import user_file
    from vlmplug.registry_edit import set_default
    from vlmplug.resolve import resolve

    registry = registry_of(arguments)
    found = resolve(registry, arguments.model)
    if found.folder is not None:
        raise OptionError(
            f"{arguments.model} is a folder; a default is a model type.",
            f"Name the model type: vlmplug models default {found.unique().name}",
        )
    name = found.unique().name
    set_default(user_file(), name)
    remark(f"note: wrote {name} into {user_file()}")
    default = registry_of(arguments).default_model_type
    if default is not None and default.value != name:
        remark(f"note: {default.source} says {default.value}, and wins over your file")


def _unset() -> None:
    from vlmplug.discovery import user_file
    from vlmplug.registry_edit import unset_default

    said = "took the default out of" if unset_default(user_file()) else "there is no default in"
    remark(f"note: {said} {user_file()}")


def _show(arguments: argparse.Namespace) -> int:
    setting = default_of(registry_of(arguments))
    source = setting.source
    if arguments.json:
        record = {"model_type": setting.value, "layer": source.layer, "file": str(source.file), "line": source.line}
        print_json(record)
    else:
        print(f"{setting.value}  ({source.layer}: {source})")
    return 0
