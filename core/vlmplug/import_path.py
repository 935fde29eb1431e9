"""Import paths ``package.module:name``: how frozen, picklable data point at code."""

from __future__ import annotations

import importlib
from typing import Any

from vlmplug.errors import PluginLoadError


def load(path: str) -> Any:
    """The object that ``package.module:name`` names.

    :raises PluginLoadError: the path is malformed, or the module or the name is missing.
    """
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise PluginLoadError(f"{path!r} is no import path.", "Write it as package.module:name.")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        problem = f"{path!r} cannot be imported: {error}."
        raise PluginLoadError(problem, "Install the plugin that provides it.") from error
