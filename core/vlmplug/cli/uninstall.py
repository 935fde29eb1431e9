"""``vlmplug plugins uninstall``: takes plugins out of the environment that vlmplug runs in."""

from __future__ import annotations

import argparse
import shlex
import sys

from vlmplug.cli.flags import registry_of
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import InstallError


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``plugins uninstall``."""
    parser.add_argument("plugins", nargs="+", metavar="PLUGIN", help="name of a plugin, or of its package")
    parser.add_argument("--dry-run", action="store_true", help="show the command and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from vlmplug.cli.plugin_changes import installed_plugins, report_changes
    from vlmplug.installer import Environment, run_installer
    from vlmplug.plugin_package import package_to_uninstall

    registry = registry_of(arguments)
    distributions = dict.fromkeys(package_to_uninstall(registry, wanted) for wanted in arguments.plugins)
    command = Environment.here().installer().uninstall_command(list(distributions))
    print(shlex.join(command), flush=True)
    if arguments.dry_run:
        return 0
    if not (arguments.yes or _agreed(list(distributions))):
        print("Nothing was uninstalled.")
        return 0
    before = installed_plugins(arguments)
    run_installer(command)
    return report_changes(arguments, before)


def _agreed(distributions: list[str]) -> bool:
    if not sys.stdin.isatty():
        raise InstallError("Nobody is there to be asked whether to uninstall.", "Say so with --yes.")
    return input(f"Uninstall {', '.join(distributions)}? [y/N] ").strip().lower() in ("y", "yes")
