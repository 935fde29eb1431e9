"""``vlmplug plugins install``: adds plugins to the environment that vlmplug runs in."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from vlmplug.cli.flags import registry_of
from vlmplug.cli.output import remark
from vlmplug.cli.parser import CommandParser

if TYPE_CHECKING:
    from vlmplug.registry import Registry


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``plugins install``."""
    parser.add_argument(
        "packages", nargs="+", metavar="PLUGIN", help="name of a plugin, a requirement, a wheel, a folder or an address"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the command and do nothing")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from vlmplug.cli.plugin_changes import installed_plugins, report_changes
    from vlmplug.installer import Environment, run_installer
    from vlmplug.plugin_package import package_to_install

    registry = registry_of(arguments)
    packages = [package_to_install(registry, wanted) for wanted in dict.fromkeys(arguments.packages)]
    command = Environment.here().installer().install_command(packages)
    for wanted in arguments.packages:
        _note_unknown(registry, wanted)
    print(shlex.join(command), flush=True)
    if arguments.dry_run:
        return 0
    before = installed_plugins(arguments)
    run_installer(command)
    return report_changes(arguments, before)


def _note_unknown(registry: Registry, wanted: str) -> None:
    """Anybody can publish a package of any name, so that one which the registry does not know is not taken silently."""
    from vlmplug.nearest import nearest
    from vlmplug.plugin_package import is_known

    if not is_known(registry, wanted):
        near = nearest(wanted, registry.plugins, 1)
        known = f"; {near[0]} is one" if near else ""
        remark(f"note: {wanted} is no plugin that the registry knows{known}; it is taken as the name of a package")
