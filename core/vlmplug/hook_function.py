"""The functions of a plugin that carry ``@hookimpl``, checked against the hooks that there are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pluggy

from vlmplug.errors import PluginLoadError
from vlmplug.hook_table import HookEntry
from vlmplug.hooks import PROJECT
from vlmplug.nearest import did_you_mean

_NAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_GATHERED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class HookFunction:
    """An implementation of a hook.

    - ``arguments``: those of the hook that it takes, in its order. ``wrapper``: it goes around other plugins' ones.
    """

    plugin: str
    hook: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    wrapper: bool


def hook_functions(plugin: str, source: object, table: Mapping[str, HookEntry]) -> tuple[HookFunction, ...]:
    """The hooks of a plugin.

    :param source: module or object with them.
    :raises PluginLoadError: one that does not exist, takes arguments that the hook does not have or cannot be called
        with, or is of the wrong kind; two for one hook; or there is none at all.
    """
    found = tuple(_found(plugin, source, table))
    if not found:
        raise PluginLoadError(
            f"Plugin {plugin} has no hooks: nothing in {_named(source)} is marked with @hookimpl.",
            "Mark its functions; where they are methods, name an object as `hooks: package.module:object`.",
        )
    for number, function in enumerate(found):
        if any((function.hook, function.wrapper) == (other.hook, other.wrapper) for other in found[:number]):
            raise PluginLoadError(
                f"Plugin {plugin} implements {function.hook} twice.", "Keep one of its functions for that hook."
            )
    return found


def _found(plugin: str, source: object, table: Mapping[str, HookEntry]) -> Iterator[HookFunction]:
    reader = pluggy.PluginManager(PROJECT)
    for attribute in dir(source):
        options = reader.parse_hookimpl_opts(source, attribute)
        if options is None:
            continue
        hook = options.get("specname") or attribute
        if hook in table:
            function = getattr(source, attribute)
            yield _Candidate(plugin, table[hook], function, options).checked()
        elif not options.get("optionalhook"):
            raise PluginLoadError(f"Plugin {plugin} has an unknown hook {hook!r}.", did_you_mean(hook, table))


@dataclass(frozen=True)
class _Candidate:
    """A function that says that it is a hook."""

    plugin: str
    entry: HookEntry
    function: Callable[..., Any]
    options: Mapping[str, Any]

    def checked(self) -> HookFunction:
        """The hook, if it is one."""
        self._check_kind()
        arguments = tuple(filter(None, map(self._argument, self._parameters())))
        return HookFunction(self.plugin, self.entry.name, self.function, arguments, bool(self.options.get("wrapper")))

    def _check_kind(self) -> None:
        if self.options.get("hookwrapper"):
            raise self._error("is an old-style wrapper", "Mark it with @hookimpl(wrapper=True) instead of hookwrapper.")
        yields = inspect.isgeneratorfunction(self.function)
        if self.options.get("wrapper") and not yields:
            raise self._error("is marked as a wrapper, but does not yield", "Write `result = yield` in it.")
        if yields and not self.options.get("wrapper"):
            raise self._error("yields, but is not marked as a wrapper", "Mark it with @hookimpl(wrapper=True).")
        if inspect.iscoroutinefunction(self.function) or inspect.isasyncgenfunction(self.function):
            raise self._error("is asynchronous", "Write `def` instead of `async def`.")

    def _parameters(self) -> list[inspect.Parameter]:
        try:
            return list(inspect.signature(self.function).parameters.values())
        except (TypeError, ValueError) as error:
            raise self._error("has no readable signature", "Write it as a Python function.") from error

    def _argument(self, parameter: inspect.Parameter) -> str | None:
        """Its name; None where it has a default and is no argument of the hook, which is harmless."""
        name, optional = parameter.name, parameter.default is not parameter.empty
        shown = parameter.replace(annotation=parameter.empty)
        if parameter.kind in _GATHERED:
            raise self._error(f"takes {shown}, which stays empty", "Name the arguments that it needs.")
        if name not in self.entry.arguments:
            if optional:
                return None
            problem = f"takes an argument {name!r}, which the hook does not have"
            raise self._error(problem, did_you_mean(name, self.entry.arguments))
        if optional or parameter.kind not in _NAMED:
            raise self._error(
                f"takes {shown} in a way in which hooks are not called",
                "Hooks get their arguments by position: take away its default, and any `*` in front of it.",
            )
        return name

    def _error(self, problem: str, remedy: str) -> PluginLoadError:
        return PluginLoadError(f"Plugin {self.plugin}: {self.entry.name} {problem}.", remedy)


def _named(source: object) -> str:
    return getattr(source, "__name__", None) or f"an object of {type(source).__name__}"
