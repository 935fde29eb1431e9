"""Model folders: where a model type's checkpoint is, what its ``config.json`` says, and whether it is of the family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmplug.config_json import CONFIG, declared_architectures, read_config, remote_classes, without_nulls
from vlmplug.errors import CheckpointError, CheckpointMismatchError
from vlmplug.model import ModelSource
from vlmplug.model_type import Family, ModelType
from vlmplug.registry import Registry
from vlmplug.remedy import MODEL_FOLDER
from vlmplug.signs import contradictions

if TYPE_CHECKING:
    from vlmplug.hub.options import HubOptions


def open_source(
    registry: Registry, model_type: str, folder: Path | None = None, hub: HubOptions | None = None
) -> ModelSource:
    """What `load_model` needs for a model type.

    :param folder: the model folder; None: the checkpoint that ships inside the plugin, else the one of a hub.
    :param hub: where to download it from where it is not in the hubs' caches; None: nothing is downloaded.
    :raises RegistryError: no such model type, or no plugin for its family.
    :raises HubError: it cannot be downloaded.
    :raises CheckpointError: no folder, or its ``config.json`` is missing or broken.
    :raises CheckpointMismatchError: the folder holds a checkpoint of another family.
    """
    entry = registry.model_type(model_type)
    family = registry.family(entry.family)
    found = find_folder(entry, folder or entry.checkpoint or hub_folder(entry, family, hub))
    config = read_config(found)
    _check_family(registry, family, found, config)
    return ModelSource(entry.name, family.name, found, without_nulls(config), entry.template)


def find_folder(entry: ModelType, folder: Path | None = None) -> Path:
    """The folder of a model type's checkpoint: the given one, else the one that ships inside the plugin.

    :raises CheckpointError: neither is there.
    """
    found = folder if folder is not None else entry.checkpoint
    if found is None:
        raise CheckpointError(
            f"The checkpoint of {entry.name} is not on this machine.",
            f"Run `vlmplug models pull {entry.name}`, or name the folder that it is in: {MODEL_FOLDER}.",
        )
    if not found.is_dir():
        raise CheckpointError(f"{found} is not a folder.", "Name the folder that holds config.json.")
    return found.resolve()


def hub_folder(entry: ModelType, family: Family, hub: HubOptions | None = None) -> Path | None:
    """The folder of a model type's checkpoint in a hub's cache; None: it is not there, and nothing is downloaded.

    :param hub: where to download it from where it is not there; None: nowhere.
    :raises HubError: it cannot be downloaded.
    """
    from vlmplug.hub import cached_checkpoint, fetch_checkpoint

    found = cached_checkpoint(entry, family, hub)
    if found is not None or hub is None or not (entry.hub.huggingface or entry.hub.modelscope):
        return found
    return fetch_checkpoint(entry, family, hub)


def shape_config(registry: Registry, model_type: str) -> dict[str, Any]:
    """A ``config.json`` of a model type's true size, made from its manifest, for runs with random weights.

    :raises RegistryError: no such model type. :raises CheckpointError: the manifest says nothing about its shape.
    """
    entry = registry.model_type(model_type)
    if entry.shape is None:
        raise CheckpointError(
            f"The manifest of {entry.name} says nothing about its shape.", f"Name a model folder: {MODEL_FOLDER}."
        )
    return {**registry.family(entry.family).config, **entry.shape.config}


def _check_family(registry: Registry, family: Family, folder: Path, config: Mapping[str, Any]) -> None:
    architectures = (*remote_classes(config), *declared_architectures(config))
    against = next(contradictions(family.signs, config, folder), None)
    if against is None and set(architectures) & set(family.architectures):
        return
    raise CheckpointMismatchError(
        f"{folder / CONFIG} names the architecture {', '.join(declared_architectures(config)) or 'none'}; "
        f"family {family.name} has {', '.join(family.architectures)}{f', and here {against}' if against else ''}.",
        _remedy(registry, family, [other for other in registry.families_of(architectures) if other != family]),
    )


def _remedy(registry: Registry, family: Family, others: Sequence[Family]) -> str:
    if not others:
        return f"Name a folder with a checkpoint of family {family.name}."
    types = [entry.name for entry in registry.model_types.values() if entry.family == others[0].name]
    return f"It is of family {others[0].name}: take one of its model types ({', '.join(types[:6])})."
