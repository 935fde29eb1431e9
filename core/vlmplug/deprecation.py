"""Warnings for plugins that use deprecated hooks and arguments: once a process, with the plugin's name and the fix."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping

from vlmplug.errors import PluginLoadError
from vlmplug.hook_function import HookFunction
from vlmplug.hook_table import HookDeprecationWarning, HookEntry

#: What was said already. Shared by all hosts on purpose: one process says it once.
_SAID: set[str] = set()


def warn_deprecated(functions: Iterable[HookFunction], table: Mapping[str, HookEntry]) -> None:
    """Warns of every deprecated hook and argument among these; the warning points to the plugin's line.

    :raises PluginLoadError: warnings are errors in this process (``python -W error``).
    """
    for function in functions:
        for message in _messages(function, table[function.hook]):
            if message not in _SAID:
                _warn(function, message)
                _SAID.add(message)


def _messages(function: HookFunction, entry: HookEntry) -> Iterator[str]:
    what = f"Plugin {function.plugin} implements the hook {entry.name}"
    if entry.deprecated is not None:
        yield f"{what}, which is deprecated. {entry.deprecated}"
    for name in function.arguments:
        if name in entry.deprecated_arguments:
            yield f"{what} with the argument {name!r}, which is deprecated. {entry.deprecated_arguments[name]}"


def _warn(function: HookFunction, message: str) -> None:
    code = getattr(function.function, "__code__", None)
    file, line = (code.co_filename, code.co_firstlineno) if code is not None else (function.plugin, 1)
    try:
        warnings.warn_explicit(HookDeprecationWarning(message), None, file, line)
    except HookDeprecationWarning as warning:
        raise PluginLoadError(str(warning), "It is an error here because Python was told to make it one.") from warning
