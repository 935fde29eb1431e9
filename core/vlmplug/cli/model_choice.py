"""Which model a command means: ``--model``, ``--model-type`` and ``--model-dir``, else the default of the registry."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vlmplug.errors import OptionError, RegistryError, UnknownModelTypeError
from vlmplug.light_dataclass import dataclass

if TYPE_CHECKING:
    from vlmplug.hub_reference import HubReference
    from vlmplug.model_type import Setting
    from vlmplug.registry import Registry
    from vlmplug.resolve import Resolution

_ACCEPTED = "model type, alias, hub id, address of its page, or folder"


@dataclass(frozen=True)
class ModelChoice:
    """A model type and, where one was named, the folder of its checkpoint or its repository on a hub."""

    model_type: str
    folder: Path | None = None
    reference: HubReference | None = None


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """``--model``, of which ``--model-type`` is the older name, and ``--model-dir``."""
    parser.add_argument("--model", metavar="TYPE", help=f"{_ACCEPTED}; default: see `vlmplug models default`")
    parser.add_argument("--model-type", metavar="TYPE", help="the same; beside it, --model may name the folder")
    parser.add_argument("--model-dir", type=Path, metavar="DIR", help="folder of the checkpoint")


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """``MODEL`` as the command's own argument; it may be left out."""
    parser.add_argument("model", nargs="?", metavar="TYPE", help=f"{_ACCEPTED}; left out: the default")


def chosen_model(arguments: argparse.Namespace, registry: Registry) -> ModelChoice:
    """The model that the flags mean. A folder without a model type is looked into.

    :raises RegistryError: it leads to no model type, or to several. :raises CheckpointError: a folder of no use.
    :raises OptionError: two folders or two model types are named.
    """
    if arguments.model is not None and arguments.model_type is not None:
        return _both(registry, arguments)
    named = arguments.model_type if arguments.model is None else arguments.model
    return _one(registry, named, arguments.model_dir)


def _both(registry: Registry, arguments: argparse.Namespace) -> ModelChoice:
    """``--model-type`` beside ``--model``: the type of a folder that the other names, or the same model again."""
    name, model_type = arguments.model, arguments.model_type
    if is_folder(name):
        if arguments.model_dir is not None:
            raise OptionError(f"--model {name} and --model-dir name two folders.", "Keep one.")
        return _one(registry, model_type, Path(name).expanduser())
    chosen, again = _one(registry, name, arguments.model_dir), resolution_of(registry, model_type).unique().name
    if chosen.model_type != again:
        raise OptionError(
            f"--model and --model-type name two models: {name} is {chosen.model_type}, and {model_type} is {again}.",
            "Leave one of them out.",
        )
    return chosen


def is_folder(name: str) -> bool:
    """Whether what names a model is a folder that is here."""
    return Path(name).expanduser().is_dir()


def _one(registry: Registry, name: str | None, folder: Path | None) -> ModelChoice:
    from vlmplug.resolve import resolve_folder

    if name is None and folder is not None:
        found = resolve_folder(registry, folder)
        return ModelChoice(found.unique().name, found.folder)
    found = resolution_of(registry, name)
    if folder is not None and found.folder is not None:
        raise OptionError(
            f"--model {name} is a folder, and --model-dir names another.",
            "Leave one of them out, or name a model type with --model.",
        )
    place = folder or found.folder
    return ModelChoice(found.unique().name, place, found.reference if place is None else None)


def resolution_of(registry: Registry, name: str | None) -> Resolution:
    """What a name leads to; None: the default model type.

    :raises RegistryError: as `vlmplug.resolve.resolve`, or there is no default.
    """
    from vlmplug.resolve import resolve

    if name is not None:
        return resolve(registry, name)
    setting = default_of(registry)
    try:
        return resolve(registry, setting.value)
    except UnknownModelTypeError as error:
        raise UnknownModelTypeError(
            f"The default model type of {setting.source}: {error.problem}",
            "Choose another: `vlmplug models default MODEL`, or name one for this time.",
        ) from error


def default_of(registry: Registry) -> Setting:
    """The default model type, and who says so.

    :raises RegistryError: nobody does.
    """
    if registry.default_model_type is None:
        raise RegistryError("No model is named, and there is no default.", "Set one: `vlmplug models default MODEL`.")
    return registry.default_model_type
