"""The code of a plugin: imported, checked, and parted into hooks that only its own families call and wrappers."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vlmplug.errors import PluginLoadError, RequirementError, VlmplugError
from vlmplug.hook_function import HookFunction, hook_functions
from vlmplug.hook_table import HookEntry
from vlmplug.nearest import did_you_mean
from vlmplug.registry import PluginRecord
from vlmplug.requirements import raise_unmet, unmet
from vlmplug.short_form import short_error

_REINSTALL = "Reinstall or upgrade it, or turn it off: `enabled: false` below its name in a registry file."


@dataclass(frozen=True)
class PluginCode:
    """A plugin's hooks."""

    name: str
    functions: tuple[HookFunction, ...]

    @property
    def ordinary(self) -> tuple[HookFunction, ...]:
        """Implementations; they answer for the plugin's own families only."""
        return tuple(function for function in self.functions if not function.wrapper)

    @property
    def wrappers(self) -> tuple[HookFunction, ...]:
        """What goes around every plugin's implementation."""
        return tuple(function for function in self.functions if function.wrapper)


def read_code(record: PluginRecord, table: Mapping[str, HookEntry]) -> PluginCode:
    """Imports a plugin's hooks and checks them; nothing is registered.

    :raises RequirementError: a library that it needs is missing or has the wrong version; checked before the import.
    :raises PluginLoadError: the plugin is off, missing or broken, cannot be imported, is a class instead of an object,
        has no hooks or wrong ones, or has wrappers that its manifest does not declare.
    """
    hooks = _path_of(record)
    raise_unmet(f"Plugin {record.name}", unmet(record.requires))
    try:
        code = PluginCode(record.name, hook_functions(record.name, _source(record, hooks), table))
    except (VlmplugError, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever a plugin's module does, it concerns that plugin alone
        raise PluginLoadError(_not_imported(record, error), _REINSTALL) from error
    if code.wrappers and not record.wrappers:
        raise PluginLoadError(
            f"Plugin {record.name} has wrappers ({_names(code.wrappers)}) that its manifest does not declare.",
            f"Set plugin.wrappers to true in {record.manifest}.",
        )
    return code


def _path_of(record: PluginRecord) -> str:
    if record.status == "ready" and record.hooks is not None:
        return record.hooks
    reason = f"It is {record.status}." if record.status != "ready" else "It has no hooks."
    remedy = "Enable or install it; `vlmplug plugins list` shows all." if record.status != "ready" else ""
    if record.error is not None:
        reason, remedy = record.error.problem, record.error.remedy
    raise PluginLoadError(f"Plugin {record.name} cannot be used. {reason}", remedy) from record.error


def _source(record: PluginRecord, hooks: str) -> object:
    """The module or object with the hooks."""
    path, _, name = hooks.partition(":")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise _missing(record, path, error) from error
    if name and not hasattr(module, name):
        raise PluginLoadError(f"Plugin {record.name}: {path} has no {name!r}.", did_you_mean(name, dir(module)))
    source: object = getattr(module, name) if name else module
    if isinstance(source, type):
        raise PluginLoadError(
            f"Plugin {record.name}: {hooks} is a class.", "Name an object of it, or a module with functions."
        )
    return source


def _missing(record: PluginRecord, path: str, error: ModuleNotFoundError) -> PluginLoadError:
    missing = error.name or ""
    if missing and f"{path}.".startswith(f"{missing}."):
        where = f"Correct plugin.hooks in {record.manifest}, or reinstall the plugin."
        return PluginLoadError(_not_imported(record, error), where)
    package = missing.partition(".")[0] or "it"
    return RequirementError(_not_imported(record, error), f"Run: pip install {package} (or the package that holds it).")


def _not_imported(record: PluginRecord, error: BaseException) -> str:
    return f"Plugin {record.name} cannot be imported from {record.hooks}: {short_error(error)}."


def _names(functions: Iterable[HookFunction]) -> str:
    return ", ".join(function.hook for function in functions)
