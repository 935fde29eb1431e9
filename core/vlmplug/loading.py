"""Loading a model by its type, by its hub id, or from its folder."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import NoneType

from vlmplug.checked_type import check_type
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import EngineOptionError, OptionError, RegistryError
from vlmplug.host_options import HostOptions
from vlmplug.hub.options import HubOptions
from vlmplug.hub_reference import HubReference
from vlmplug.loaded_model import LoadedModel
from vlmplug.media_policy import MediaPolicy
from vlmplug.pipeline import Pipeline, open_preparer
from vlmplug.registry import Registry, load_registry
from vlmplug.resolve import Resolution, resolve, resolve_folder

Name = str | os.PathLike[str]


@dataclass(frozen=True)
class LoadOptions:
    """Where everything comes from that a model needs.

    - ``registry``: model types and plugins; None: the built-in registry, what is installed, and the user's own.
    - ``host``: deadlines of the plugins' hooks, and who watches their calls.
    - ``hub``: where checkpoints are downloaded from; None: nothing is downloaded.
    - ``media``: which files and addresses may be read for pictures and clips.
    """

    registry: Registry | None = None
    host: HostOptions = field(default_factory=HostOptions)
    hub: HubOptions | None = field(default_factory=HubOptions)
    media: MediaPolicy = field(default_factory=MediaPolicy)

    def __post_init__(self) -> None:
        """:raises OptionError: a value of another type."""
        check_type("registry", self.registry, (Registry, NoneType), "Give load_registry(…), or None.")
        check_type("host", self.host, HostOptions, "Write HostOptions(…).")
        check_type("hub", self.hub, (HubOptions, NoneType), "Write HubOptions(…), or None.")
        check_type("media", self.media, MediaPolicy, "Write MediaPolicy(…).")


def load(
    model: Name | None = None,
    *,
    folder: Name | None = None,
    engine: EngineOptions | None = None,
    options: LoadOptions | None = None,
) -> LoadedModel:
    """A model, loaded and ready to answer.

    :param model: model type, another name of one, hub id, address of a hub's page, or model folder; None: the model
        type of ``folder``, or else the default one of the registry.
    :param folder: where the checkpoint of ``model`` is; None: in the folder that ``model`` names, in the plugin's
        package, in the hubs' caches, or on a hub, from where it is downloaded.
    :param engine: device, dtype, GPUs, cache; None: a GPU if there is one, else the CPU.
    :raises RegistryError: it leads to no model type, to several, or to one without a plugin.
    :raises HubError: the checkpoint cannot be downloaded. :raises CheckpointError: its files cannot be used.
    :raises PluginError: the plugin cannot be used. :raises EngineError: the engine cannot be started.
    :raises OptionError: an argument of another type.
    """
    _check_types(model, folder, engine, options)
    chosen = options or LoadOptions()
    registry = chosen.registry or load_registry()
    place = None if folder is None else Path(folder)
    found = _found(registry, model, place)
    hub = _hub_of(found.reference, chosen.hub)
    preparer = open_preparer(found.unique().name, place or found.folder, registry, chosen.host, hub, chosen.media)
    return LoadedModel(Pipeline(preparer, engine or EngineOptions()))


async def aload(
    model: Name | None = None,
    *,
    folder: Name | None = None,
    engine: EngineOptions | None = None,
    options: LoadOptions | None = None,
) -> LoadedModel:
    """As `load`, for an event loop."""
    return await asyncio.to_thread(partial(load, model, folder=folder, engine=engine, options=options))


def _check_types(model: object, folder: object, engine: object, options: object) -> None:
    name = (str, os.PathLike, NoneType)
    check_type("model", model, name, "Name a model type, a hub id or a folder.")
    check_type("folder", folder, name, "Give the path of a folder.")
    check_type("engine", engine, (EngineOptions, NoneType), 'Write EngineOptions(device="cpu").', EngineOptionError)
    check_type("options", options, (LoadOptions, NoneType), "Write LoadOptions(…).")


def _found(registry: Registry, model: Name | None, folder: Path | None) -> Resolution:
    if model is None and folder is not None:
        return resolve_folder(registry, folder)
    if model is None:
        return resolve(registry, _default(registry))
    found = resolve(registry, model) if isinstance(model, str) else resolve_folder(registry, Path(model))
    if folder is not None and found.folder is not None:
        raise OptionError(f"{os.fspath(model)} is a folder, and folder names another.", "Leave one of them out.")
    return found


def _default(registry: Registry) -> str:
    if registry.default_model_type is None:
        raise RegistryError("No model is named, and there is no default.", "Name one, as in load('internvl2-2b').")
    return registry.default_model_type.value


def _hub_of(reference: HubReference | None, hub: HubOptions | None) -> HubOptions | None:
    """The hub and the revision that were named go before the ones of the options."""
    if hub is None or reference is None:
        return hub
    return replace(hub, hub=reference.hub or hub.hub, revision=reference.revision or hub.revision)
