"""``config.json`` of a model folder: read as data, and which architectures it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmplug.errors import CheckpointError
from vlmplug.json_files import read_json

CONFIG = "config.json"
#: A ``config.json`` has some kilobytes; anything near this limit is something else.
MAX_CONFIG_BYTES = 4_000_000


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a model folder.

    :raises CheckpointError: it is missing, too large, or no JSON object.
    """
    file = folder / CONFIG
    if file.is_file() and file.stat().st_size > MAX_CONFIG_BYTES:
        raise CheckpointError(f"{file} is larger than {MAX_CONFIG_BYTES:,} bytes.", "Download the checkpoint again.")
    return read_json(file)


def without_nulls(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same without keys whose value is null, also in sections: null counts as left out."""
    return {
        key: without_nulls(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if value is not None
    }


def declared_architectures(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The architectures that a configuration lists, in its order."""
    named = config.get("architectures")
    return tuple(name for name in named if isinstance(name, str)) if isinstance(named, list) else ()


def remote_classes(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes of the official code that ``auto_map`` names, without their modules; none is ever loaded.

    Some checkpoints list the architecture of their language model only, and this alone tells what they are.
    """
    named = config.get("auto_map")
    paths = named.values() if isinstance(named, dict) else ()
    return tuple(dict.fromkeys(path.rpartition(".")[2] for path in paths if isinstance(path, str)))


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key (``vision_config.image_size``); None where there is none."""
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value
