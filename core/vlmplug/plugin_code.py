"""The code of a plugin: imported, and parted into hooks that only its own families call and wrappers for all."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, TracebackType

import pluggy

from vlmplug.errors import PluginLoadError
from vlmplug.hooks import PROJECT
from vlmplug.registry import PluginRecord


class HookPart:
    """Some hooks of a plugin, each as an attribute, as the plugin manager wants them."""

    def __init__(self, hooks: Mapping[str, object]) -> None:
        self.__dict__.update(hooks)


@dataclass(frozen=True)
class PluginCode:
    """A plugin's hooks in two parts.

    - ``ordinary``: implementations; they answer for the plugin's own families only.
    - ``wrappers``: what goes around every plugin's implementation.
    """

    name: str
    ordinary: HookPart
    wrappers: HookPart

    @property
    def parts(self) -> tuple[tuple[str, HookPart], ...]:
        """Both parts, with the names under which the plugin manager knows them."""
        return (self.name, self.ordinary), (f"{self.name}:wrappers", self.wrappers)

    @property
    def codes(self) -> Iterator[CodeType]:
        """The code objects of all its hooks."""
        for part in (self.ordinary, self.wrappers):
            for hook in vars(part).values():
                code = getattr(hook, "__code__", None)
                if isinstance(code, CodeType):
                    yield code


def read_code(record: PluginRecord) -> PluginCode:
    """Imports a plugin's hooks and parts them; nothing is registered.

    :raises PluginLoadError: the plugin is off, missing or broken, has no hooks, cannot be imported, is a class instead
        of an object, or has wrappers that its manifest does not declare.
    """
    code = _parted(record.name, _import_hooks(record))
    if vars(code.wrappers) and not record.wrappers:
        raise PluginLoadError(
            f"Plugin {record.name} has wrappers ({', '.join(vars(code.wrappers))}) that its manifest does not declare.",
            f"Set plugin.wrappers to true in {record.manifest}.",
        )
    return code


def _import_hooks(record: PluginRecord) -> object:
    if record.status != "ready" or record.hooks is None:
        reason = str(record.error) if record.error else f"It is {record.status} and has no hooks."
        raise PluginLoadError(f"Plugin {record.name} cannot be used. {reason}")
    module, _, name = record.hooks.partition(":")
    try:
        found = importlib.import_module(module)
        plugin: object = getattr(found, name) if name else found
    except (Exception, SystemExit) as error:  # whatever a plugin's module does, it concerns that plugin alone
        raise PluginLoadError(
            f"Plugin {record.name} cannot be imported from {record.hooks}: {type(error).__name__}: {error}.",
            "Install what it needs, reinstall it, or turn it off in a registry file.",
        ) from error
    if isinstance(plugin, type):
        raise PluginLoadError(
            f"Plugin {record.name}: {record.hooks} is a class.", "Name an object of it, or a module with functions."
        )
    return plugin


def _parted(name: str, plugin: object) -> PluginCode:
    reader = pluggy.PluginManager(PROJECT)
    ordinary: dict[str, object] = {}
    wrappers: dict[str, object] = {}
    for attribute in dir(plugin):
        options = reader.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            part = wrappers if options.get("wrapper") or options.get("hookwrapper") else ordinary
            part[options.get("specname") or attribute] = getattr(plugin, attribute)
    return PluginCode(name, HookPart(ordinary), HookPart(wrappers))


def culprit(trace: TracebackType | None, plugins: Mapping[str, PluginCode]) -> str | None:
    """The plugin in whose hook an exception arose: the innermost one on the way to where it was raised."""
    owners = {code: name for name, plugin in plugins.items() for code in plugin.codes}
    found = None
    while trace is not None:
        found = owners.get(trace.tb_frame.f_code, found)
        trace = trace.tb_next
    return found
