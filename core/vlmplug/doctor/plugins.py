"""The registry and its plugins: what is wrong with files, names and code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from vlmplug.claims import duplicate
from vlmplug.doctor.check import Check, Probe, Status
from vlmplug.doctor.plugin_probe import Loaded
from vlmplug.model_type import ModelType
from vlmplug.registry import PluginRecord, Registry
from vlmplug.requirements import fix, unmet

#: Loads a plugin's code.
Load: TypeAlias = Callable[[PluginRecord], Loaded]

# Each is a process of its own, of some hundred megabytes where a plugin imports much.
_MOST_AT_ONCE = 4
#: Model types that a row names.
_SHOWN = 4


def check_registry(registry: Registry) -> Iterator[Check]:
    """What is wrong with registry files, names with two owners, and libraries that model types need."""
    for problem in registry.problems:
        yield Check("registry file", "problem", problem.problem, fix=problem.remedy)
    for name, claims in registry.contested.items():
        error = duplicate(name, claims)
        yield Check(f"name {name}", "problem", error.problem, fix=error.remedy)
    yield from _library_rows(registry.model_types.values())


def _library_rows(types: Iterable[ModelType]) -> Iterator[Check]:
    """A row for each requirement that does not hold, with all model types that have it."""
    wanting: dict[tuple[str, str], list[str]] = {}
    for entry in types:
        for item in entry.requires.items():
            wanting.setdefault(item, []).append(entry.name)
    for (name, needed), types_ in wanting.items():
        for problem in unmet({name: needed}):
            status: Status = "problem" if problem.found else "note"
            shown = f"{', '.join(types_[:_SHOWN])}{' …' if len(types_) > _SHOWN else ''}"
            found = problem.problem or problem.found or "not installed"
            yield Check(f"library {name}", status, found, f"{needed} for {shown}", fix([problem]))


def check_plugins(records: Iterable[PluginRecord], load: Load) -> list[Check]:
    """The rows of plugins, in their order; those with code are loaded, some at a time."""
    with ThreadPoolExecutor(min(_MOST_AT_ONCE, os.cpu_count() or 1)) as threads:
        rows = threads.map(lambda record: plugin_probe(record, load).rows(), records)
        return [row for part in rows for row in part]


def plugin_probe(record: PluginRecord, load: Load) -> Probe:
    """What looks at one plugin."""
    return Probe(f"plugin {record.name}", lambda: [_plugin_row(record, load)], "plugins")


def _plugin_row(record: PluginRecord, load: Load) -> Check:
    subject = f"plugin {record.name}"
    if record.status != "ready":
        return _idle_row(subject, record)
    if record.hooks is None:
        return _codeless_row(subject, record)
    loaded = load(record)
    if loaded.problem:
        return Check(subject, "problem", loaded.problem, fix=loaded.fix)
    hooks = [*loaded.hooks, *(f"{name} (wrapper)" for name in loaded.wrappers)]
    return Check(subject, "ok", f"{_version(record)}hooks {', '.join(hooks) or '(none)'}")


def _codeless_row(subject: str, record: PluginRecord) -> Check:
    problems = unmet(record.requires)
    if problems:
        return Check(subject, "problem", f"needs {', '.join(map(str, problems))}", fix=fix(problems))
    return Check(subject, "ok", f"{_version(record)}a manifest without code")


def _idle_row(subject: str, record: PluginRecord) -> Check:
    if record.blocked is not None:
        return Check(subject, "note", record.blocked)
    if record.status == "off" or record.error is None:
        return Check(subject, "note", "off", fix=f"To use it: vlmplug plugins enable {record.name}")
    status: Status = "note" if record.status == "missing" else "problem"
    return Check(subject, status, record.error.problem, fix=record.error.remedy)


def _version(record: PluginRecord) -> str:
    return f"{record.version}, " if record.version else ""
