"""Model folders: where a model type's checkpoint is, what its ``config.json`` says, and whether it is of the family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmplug.errors import CheckpointError, CheckpointMismatchError
from vlmplug.json_files import read_json
from vlmplug.model import ModelSource
from vlmplug.model_type import Family, ModelType
from vlmplug.registry import Registry

#: A ``config.json`` has some kilobytes; anything near this limit is something else.
MAX_CONFIG_BYTES = 4_000_000

_CONFIG = "config.json"


def open_source(registry: Registry, model_type: str, folder: Path | None = None) -> ModelSource:
    """What `load_model` needs for a model type.

    :param folder: the model folder; None: the checkpoint that ships inside the plugin.
    :raises RegistryError: no such model type, or no plugin for its family.
    :raises CheckpointError: no folder, or its ``config.json`` is missing or broken.
    :raises CheckpointMismatchError: the folder holds a checkpoint of another family.
    """
    entry = registry.model_type(model_type)
    family = registry.family(entry.family)
    found = find_folder(entry, folder)
    config = read_config(found)
    _check_family(registry, family, found, config)
    return ModelSource(entry.name, family.name, found, config, entry.template)


def find_folder(entry: ModelType, folder: Path | None = None) -> Path:
    """The folder of a model type's checkpoint: the given one, else the one that ships inside the plugin.

    :raises CheckpointError: neither is there.
    """
    found = folder if folder is not None else entry.checkpoint
    if found is None:
        raise CheckpointError(
            f"Model type {entry.name} has no checkpoint on this machine, and vlmplug does not download any yet.",
            f"Download {entry.hub.huggingface or 'it'} and name its folder: --model-dir FOLDER.",
        )
    if not found.is_dir():
        raise CheckpointError(f"{found} is not a folder.", "Name the folder that holds config.json.")
    return found.resolve()


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a model folder.

    :raises CheckpointError: it is missing, too large, or no JSON object.
    """
    file = folder / _CONFIG
    if file.is_file() and file.stat().st_size > MAX_CONFIG_BYTES:
        raise CheckpointError(f"{file} is larger than {MAX_CONFIG_BYTES:,} bytes.", "Download the checkpoint again.")
    return read_json(file)


def shape_config(registry: Registry, model_type: str) -> dict[str, Any]:
    """A ``config.json`` of a model type's true size, made from its manifest, for runs with random weights.

    :raises RegistryError: no such model type. :raises CheckpointError: the manifest says nothing about its shape.
    """
    entry = registry.model_type(model_type)
    if entry.shape is None:
        raise CheckpointError(
            f"The manifest of {entry.name} says nothing about its shape.", "Name a model folder: --model-dir FOLDER."
        )
    return {**registry.family(entry.family).config, **entry.shape.config}


def _check_family(registry: Registry, family: Family, folder: Path, config: Mapping[str, Any]) -> None:
    named = config.get("architectures")
    architectures = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    if set(architectures) & set(family.architectures):
        return
    found = ", ".join(architectures) or "none"
    others = registry.families_of(architectures)
    raise CheckpointMismatchError(
        f"{folder / _CONFIG} names the architecture {found}; "
        f"family {family.name} has {', '.join(family.architectures)}.",
        _remedy(registry, family, others),
    )


def _remedy(registry: Registry, family: Family, others: tuple[Family, ...]) -> str:
    if not others:
        return f"Name a folder with a checkpoint of family {family.name}."
    types = [entry.name for entry in registry.model_types.values() if entry.family == others[0].name]
    return f"It is of family {others[0].name}: take one of its model types ({', '.join(types[:6])})."
