"""The hooks that there are: their arguments, and what of them is deprecated, read from the specifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pluggy

from vlmplug.hooks import PROJECT


class HookDeprecationWarning(FutureWarning):
    """A plugin uses a hook or an argument that a later hook API drops; the text says what to use instead.

    Specifications carry it: ``@hookspec(warn_on_impl=…)`` for a hook, ``warn_on_impl_args={NAME: …}`` for arguments.
    """


@dataclass(frozen=True)
class HookEntry:
    """One hook: its arguments, and the warning for the whole of it and for some of its arguments, if there is one."""

    name: str
    arguments: tuple[str, ...]
    deprecated: Warning | None
    deprecated_arguments: Mapping[str, Warning]


class HookManager(pluggy.PluginManager):
    """pluggy's manager without its deprecation warnings: it would repeat them with every plugin that is loaded, and
    does not name the plugin; see `vlmplug.deprecation`."""

    def __init__(self, specs: type) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(specs)

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        """The options of a specification, without warnings."""
        options = super().parse_hookspec_opts(module_or_class, name)
        return options and {**options, "warn_on_impl": None, "warn_on_impl_args": None}


def hook_table(specs: type) -> Mapping[str, HookEntry]:
    """The hooks of a class of specifications, by name."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(specs)
    return {name: _entry(caller) for name, caller in vars(manager.hook).items()}


def _entry(caller: pluggy.HookCaller) -> HookEntry:
    spec = caller.spec
    if spec is None:
        raise TypeError(f"{caller.name} has no specification")
    deprecated = spec.warn_on_impl
    return HookEntry(caller.name, tuple(spec.argnames), deprecated, dict(spec.warn_on_impl_args or {}))
