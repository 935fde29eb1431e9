"""What became of the plugins when packages were installed or uninstalled, seen by a fresh process: this one has looked
at the environment before it changed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vlmplug.cli.flags import registry_files_of
from vlmplug.cli.output import remark
from vlmplug.errors import InstallError

_SECONDS = 300.0


def installed_plugins(arguments: argparse.Namespace) -> Mapping[str, Mapping[str, Any]]:
    """The plugins that are there, with version and status.

    :raises InstallError: they cannot be listed.
    """
    listed = json.loads(_asked(arguments, ["plugins", "list", "--json"]))
    return {plugin["plugin"]: plugin for plugin in listed if plugin["status"] != "missing"}


def report_changes(arguments: argparse.Namespace, before: Mapping[str, Mapping[str, Any]]) -> int:
    """Says which plugins came and went, and what the doctor says about those that came.

    :param before: as `installed_plugins` gave them.
    :returns: the exit code: 1 where a plugin that came does not work.
    """
    after = installed_plugins(arguments)
    gone = [name for name in before if name not in after]
    came = [name for name in after if _differs(before.get(name), after[name])]
    for name in gone:
        print(f"{name}: uninstalled")
    if not came and not gone:
        remark("note: no plugin came, went or changed its version")
    return _examined(arguments, came) if came else 0


def _differs(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    keys = ("version", "manifest", "status")
    return one is None or [one[key] for key in keys] != [other[key] for key in keys]


def _examined(arguments: argparse.Namespace, names: Iterable[str]) -> int:
    report = json.loads(_asked(arguments, ["plugins", "doctor", "--json", "--", *names], (0, 1)))
    for check in report["checks"]:
        if check["status"] != "ok" or check["check"].startswith("plugin "):
            print(f"{check['check']}: {check['status']}, {check['found']}")
            if check["fix"]:
                print(f"fix: {check['fix']}")
    return 0 if report["healthy"] else 1


def _asked(arguments: argparse.Namespace, command: Sequence[str], good: Sequence[int] = (0,)) -> str:
    files = [word for file in registry_files_of(arguments) for word in ("--registry", str(file))]
    whole = [sys.executable, "-m", "vlmplug", *files, *command]
    try:
        ended = subprocess.run(whole, capture_output=True, encoding="utf-8", timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise InstallError("vlmplug does not answer any more.", "Try `vlmplug plugins doctor`.") from error
    if ended.returncode not in good:
        words = " ".join(ended.stderr.split())[-300:]
        raise InstallError(f"vlmplug cannot list its plugins any more: {words}.", "Try `vlmplug plugins doctor`.")
    return ended.stdout
