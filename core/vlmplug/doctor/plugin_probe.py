"""Loads one plugin in a child process: what its modules do when they are imported stays there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmplug.doctor.programs import private_stdout, run_module
from vlmplug.registry import PluginRecord

#: What Python and vlmplug take to start, beside the plugin itself.
_START_SECONDS = 30.0


@dataclass(frozen=True)
class Loaded:
    """What came of loading a plugin.

    - ``hooks``, ``wrappers``: names of the hooks that it implements, and of those that it goes around.
    - ``problem``, ``fix``: why it cannot be loaded; both empty where it can.
    """

    hooks: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()
    problem: str = ""
    fix: str = ""


def load_in_child(record: PluginRecord, seconds: float) -> Loaded:
    """Imports and registers a plugin that has hooks, in a process of its own.

    :param seconds: how long its import may take.
    """
    question = {"record": _as_json(record), "seconds": seconds}
    ended = run_module(__name__, seconds + _START_SECONDS, question)
    if ended.code != 0:
        how = ended.how(seconds + _START_SECONDS)
        return Loaded(
            problem=f"Plugin {record.name} ends the process that imports {record.hooks}: {how}.",
            fix="Report it to the plugin's authors, or turn it off in a registry file.",
        )
    answer = json.loads(ended.out)
    return Loaded(tuple(answer["hooks"]), tuple(answer["wrappers"]), answer["problem"], answer["fix"])


def _as_json(record: PluginRecord) -> dict[str, Any]:
    """What loading a plugin has to know of it."""
    return {
        "name": record.name,
        "layer": record.layer,
        "distribution": record.distribution,
        "version": record.version,
        "manifest": str(record.manifest),
        "hooks": record.hooks,
        "api": record.api,
        "wrappers": record.wrappers,
        "requires": dict(record.requires),
    }


def _record(fields: Mapping[str, Any]) -> PluginRecord:
    return PluginRecord(**{**fields, "manifest": Path(fields["manifest"])})


def _answer(record: PluginRecord, seconds: float) -> dict[str, Any]:
    from vlmplug.errors import VlmplugError
    from vlmplug.host import PluginHost
    from vlmplug.host_options import HostOptions
    from vlmplug.registry import Registry

    try:
        code = PluginHost(Registry({record.name: record}), HostOptions(import_seconds=seconds)).load_plugin(record.name)
    except VlmplugError as error:
        return {"hooks": [], "wrappers": [], "problem": error.problem, "fix": error.remedy}
    hooks, wrappers = ([part.hook for part in parts] for parts in (code.ordinary, code.wrappers))
    return {"hooks": sorted(hooks), "wrappers": sorted(wrappers), "problem": "", "fix": ""}


def main() -> int:
    """In the child."""
    question = json.load(sys.stdin)
    with private_stdout() as out:
        json.dump(_answer(_record(question["record"]), question["seconds"]), out)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # threads that the plugin has begun do not hold it up
