"""Loads plugins when they are needed. One that cannot be loaded leaves nothing behind and hinders no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from vlmplug.deadline import DeadlineError, call_within
from vlmplug.deprecation import warn_deprecated
from vlmplug.errors import PluginLoadError
from vlmplug.hook_call import guarded
from vlmplug.hook_function import HookFunction
from vlmplug.hook_table import HookManager, hook_table
from vlmplug.hooks import HookSpecs
from vlmplug.host_options import HostOptions, more_time
from vlmplug.plugin_code import PluginCode, read_code
from vlmplug.registry import PluginRecord, Registry

_log = logging.getLogger(__name__)


class HookPart:
    """Some hooks of a plugin, each as an attribute, as the plugin manager wants them."""

    def __init__(self, functions: Iterable[HookFunction]) -> None:
        self.__dict__.update({function.hook: function.function for function in functions})


@dataclass(frozen=True)
class _Loaded:
    """A plugin, and its two parts as the manager knows them."""

    code: PluginCode
    ordinary: HookPart
    wrappers: HookPart

    @classmethod
    def of(cls, code: PluginCode) -> _Loaded:
        return cls(code, HookPart(code.ordinary), HookPart(code.wrappers))


@dataclass(frozen=True)
class LoadedPlugins:
    """Plugins in a manager of their own. Loading one more makes a new manager, so a failure leaves nothing behind and
    calls that are under way see no change."""

    specs: type
    manager: HookManager
    plugins: Mapping[str, _Loaded] = field(default_factory=dict)

    def with_plugin(self, code: PluginCode, order: Iterable[str]) -> LoadedPlugins:
        """These plugins and one more.

        :param order: of all plugins; wrappers of a later one go around those of an earlier one, whoever came first.
        """
        plugins = {**self.plugins, code.name: _Loaded.of(code)}
        ordered = {name: plugins[name] for name in order if name in plugins}
        manager = HookManager(self.specs)
        for name, plugin in ordered.items():
            manager.register(plugin.ordinary, name)
            manager.register(plugin.wrappers, f"{name}:wrappers")
        return LoadedPlugins(self.specs, manager, ordered)

    def caller(self, hook: str, owner: str) -> Callable[..., Any] | None:
        """Calls the owner's implementation inside all wrappers, with named arguments; None: it has none."""
        if not hasattr(self.plugins[owner].ordinary, hook):
            return None
        others = [plugin.ordinary for name, plugin in self.plugins.items() if name != owner]
        return self.manager.subset_hook_caller(hook, others)


class PluginLoader:
    """The plugins of one registry; usable from several threads, and one that hangs delays only those who need it."""

    def __init__(self, registry: Registry, options: HostOptions, specs: type = HookSpecs) -> None:
        self._registry, self._options = registry, options
        self._table = hook_table(specs)
        self._loaded = LoadedPlugins(specs, HookManager(specs))
        self._errors: dict[str, PluginLoadError] = {}
        self._locks = {name: threading.Lock() for name in registry.plugins}
        self._lock = threading.Lock()
        self._around = tuple(record for record in registry.plugins.values() if _goes_around(record))
        self._left_out: set[str] = set()

    @property
    def errors(self) -> Mapping[str, PluginLoadError]:
        """Plugins that were tried and could not be loaded, by name."""
        return dict(self._errors)

    def load(self, name: str) -> PluginCode:
        """A plugin, loaded now or earlier.

        :raises PluginLoadError: it cannot be loaded; the same error each time, without a second try.
        """
        if name not in self._loaded.plugins:
            record = self._registry.plugin(name)
            with self._locks[name]:
                if name in self._errors:
                    raise self._errors[name].with_traceback(None)
                if name not in self._loaded.plugins:
                    self._load(record)
        return self._loaded.plugins[name].code

    def ready(self, owner: str) -> LoadedPlugins:
        """All plugins that have a say in the calls of an owner, loaded.

        :raises PluginLoadError: the owner cannot be loaded, or a plugin whose wrappers are required.
        """
        self.load(owner)
        for record in self._around:
            try:
                self.load(record.name)
            except PluginLoadError as error:
                self._without(record, error)
        return self._loaded

    def _load(self, record: PluginRecord) -> None:
        try:
            code = self._read(record)
        except PluginLoadError as error:
            self._errors[record.name] = error
            raise
        with self._lock:
            self._loaded = self._loaded.with_plugin(code, self._registry.plugins)

    def _read(self, record: PluginRecord) -> PluginCode:
        tracer = self._options.tracer
        if tracer is None:
            return self._imported(record)
        with tracer.span(f"import {record.name} from {record.hooks}") as span:
            code = self._imported(record)
            span.said = f"-> {', '.join(function.hook for function in code.functions)}"
        return replace(code, functions=tuple(replace(part, function=tracer.traced(part)) for part in code.functions))

    def _imported(self, record: PluginRecord) -> PluginCode:
        seconds = self._options.import_seconds
        try:
            code = call_within(seconds, partial(read_code, record, self._table))
        except DeadlineError:
            raise PluginLoadError(
                f"Plugin {record.name} cannot be imported from {record.hooks}: it took longer than {seconds:g} s.",
                more_time("import_seconds"),
            ) from None
        warn_deprecated(code.functions, self._table)
        return replace(code, functions=tuple(replace(part, function=guarded(part)) for part in code.functions))

    def _without(self, record: PluginRecord, error: PluginLoadError) -> None:
        if record.wrappers_required or self._options.strict:
            raise PluginLoadError(
                f"The wrappers of plugin {record.name} must go around every call. {error.problem}",
                error.remedy or f"Mend or disable {record.name}.",
            ) from error
        if record.name not in self._left_out:
            self._left_out.add(record.name)
            _log.warning("Going on without the wrappers of plugin %s: %s", record.name, error)


def _goes_around(record: PluginRecord) -> bool:
    return record.wrappers and record.status not in ("off", "blocked")
