"""From what a person writes to one model type: a name, an alias, a hub's repository or page, or a folder of files.

Names come first, then hub ids, then folders; a path that starts with a dot, a slash or a tilde is always a folder.
Of a folder only its files count. Nothing is downloaded, and no plugin is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from vlmplug.config_json import CONFIG, declared_architectures, read_config
from vlmplug.detection import Candidate, detect_family, detect_types, differences
from vlmplug.errors import (
    AmbiguousModelError,
    CheckpointError,
    NoPluginError,
    UnknownModelTypeError,
    VlmplugError,
)
from vlmplug.hub_reference import HubReference, cached_repository, parse_reference
from vlmplug.light_dataclass import dataclass
from vlmplug.model_type import Family, KnownType, ModelType
from vlmplug.nearest import did_you_mean, nearest
from vlmplug.registry import Registry
from vlmplug.remedy import either

Rule = Literal["model type", "alias", "hub id", "folder", "hub cache folder"]

_PATH = re.compile(r"[.~/\\]|[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class Resolution:
    """What a name leads to, and why.

    - ``asked``: what was written. ``rule``: what decided.
    - ``model_type``: None where several types fit or none of the family does; ``error`` then says so.
    - ``reference``: the hub's repository, where one was named. ``folder``: the model folder, where one was.
    - ``because``: what decided, in a sentence. ``considered``: the candidates, those that fit first.
    """

    asked: str
    rule: Rule
    model_type: ModelType | None
    family: Family | None
    because: str
    considered: tuple[Candidate, ...] = ()
    reference: HubReference | None = None
    folder: Path | None = None
    error: VlmplugError | None = None

    def unique(self) -> ModelType:
        """The model type.

        :raises AmbiguousModelError: several fit, or none of the family does.
        """
        if self.model_type is None:
            raise self.error or AmbiguousModelError(f"{self.asked!r} leads to no model type.")
        return self.model_type


def resolve(registry: Registry, name: str) -> Resolution:
    """What a name leads to.

    :param name: model type, alias, hub id (either hub, any case, ``@revision`` allowed), address of a hub's page,
        folder of a hub's cache, or model folder.
    :raises UnknownModelTypeError: none of these; with the nearest names.
    :raises NoPluginError: a known model type that no plugin carries.
    :raises DuplicateNameError: two plugins claim the name.
    :raises CheckpointError: a folder without a usable ``config.json``, or of no family here.
    """
    text = name.strip()
    if not text:
        raise UnknownModelTypeError("No model is named.", "Name a model type, a hub id or a folder.")
    if _PATH.match(text):
        return resolve_folder(registry, Path(os.path.expanduser(text)), text)
    if any(text in names for names in (registry.model_types, registry.aliases, registry.contested)):
        return _by_name(registry, text)
    reference = parse_reference(text)
    if reference is not None and (found := _by_hub_id(registry, text, reference)):
        return found
    if text not in registry.known and os.path.isdir(text):
        return resolve_folder(registry, Path(text))
    if reference is not None:
        raise _unknown_id(registry, reference)
    return _by_name(registry, text)


def resolve_folder(registry: Registry, given: Path, asked: str = "") -> Resolution:
    """What the files in a folder are; its name is not looked at.

    :param given: model folder, or folder of a hub's cache. :param asked: as it was written; empty: like the path.
    :raises CheckpointError: as `resolve`.
    """
    try:
        folder, rule = _model_folder(given)
        config = read_config(folder)
    except OSError as reason:
        raise CheckpointError(f"{given} cannot be read: {reason.strerror}.", "Check its permissions.") from reason
    family = detect_family(registry, folder, config)
    considered = detect_types(registry, family, folder, config)
    fits = [registry.model_types[candidate.name] for candidate in considered if candidate.fits]
    architectures = ", ".join(declared_architectures(config)) or "no architecture"
    because = f"{CONFIG} names {architectures}: family {family.name}; {_verdict(considered, fits)}"
    unique = fits[0] if len(fits) == 1 else None
    error = None if unique else _undecided(folder, family, considered, fits)
    reference = cached_repository(folder)
    return Resolution(asked or str(given), rule, unique, family, because, considered, reference, folder, error)


def _by_name(registry: Registry, text: str) -> Resolution:
    entry = _named(registry, text)
    rule: Rule = "model type" if text == entry.name else "alias"
    because = f"{text} is {'a model type' if rule == 'model type' else f'another name of {entry.name}'}"
    considered = (Candidate(entry.name, True, because), *_shadowed(text))
    return Resolution(text, rule, entry, registry.family(entry.family), because, considered)


def _named(registry: Registry, text: str) -> ModelType:
    try:
        return registry.model_type(text)
    except UnknownModelTypeError as error:
        ids = _all_ids(registry)
        if nearest(text, [*registry.model_types, *registry.aliases]) or not nearest(text, ids):
            raise
        raise UnknownModelTypeError(error.problem, did_you_mean(text, ids)) from error


def _by_hub_id(registry: Registry, text: str, reference: HubReference) -> Resolution | None:
    fits = [entry for entry in registry.model_types.values() if _is_at(entry, reference)]
    if not fits:
        known = [entry for entry in registry.known.values() if _is_at(entry, reference)]
        if known:
            raise _no_plugin(known[0], reference)
        return None
    because = f"{reference.repository} is the {_hub_of(fits[0], reference)} id of {' and '.join(e.name for e in fits)}"
    carriers = [Candidate(entry.name, True, f"has the hub id {reference.repository}") for entry in fits]
    family = registry.family(fits[0].family)
    unique = fits[0] if len(fits) == 1 else None
    how = either("load(TYPE)", "--model TYPE")
    error = None if unique else _ambiguous(f"The hub id {reference.repository} is that of", fits, how)
    return Resolution(text, "hub id", unique, family, because, (*carriers, *_shadowed(text)), reference, error=error)


def _model_folder(given: Path) -> tuple[Path, Rule]:
    """The folder with the files; of a repository's folder in Hugging Face's cache, the state it points to.

    :raises CheckpointError: there is no such folder, or several states and none is the newest.
    """
    if given.name == CONFIG and os.path.isfile(given):
        given = given.parent
    if not os.path.isdir(given):
        raise CheckpointError(f"There is no folder {given}.", "Check the path, or name a model type or a hub id.")
    place = given.resolve()
    top = place.parent if place.name == "snapshots" else place
    if (top / "snapshots").is_dir() and not (place / CONFIG).is_file():
        return _snapshot(top), "hub cache folder"
    return place, "hub cache folder" if cached_repository(place) else "folder"


def _snapshot(top: Path) -> Path:
    states = sorted(state for state in (top / "snapshots").iterdir() if state.is_dir())
    newest = top / "refs" / "main"
    if newest.is_file() and newest.stat().st_size <= 200:
        states = [state for state in states if state.name == newest.read_text("utf-8", "ignore").strip()] or states
    if len(states) != 1:
        names = ", ".join(state.name for state in states) or "none"
        raise CheckpointError(f"{top} holds {len(states)} states ({names}).", f"Name one: {top / 'snapshots'}{os.sep}…")
    return states[0]


def _verdict(considered: Iterable[Candidate], fits: list[ModelType]) -> str:
    if not fits:
        return "no model type of it fits"
    why = next(candidate.why for candidate in considered if candidate.fits)
    return f"{why} with {fits[0].name} alone" if len(fits) == 1 else f"{why} with {', '.join(e.name for e in fits)}"


def _undecided(
    folder: Path, family: Family, considered: tuple[Candidate, ...], fits: list[ModelType]
) -> AmbiguousModelError:
    if fits:
        hint = cached_repository(folder)
        named = f" Its path speaks of {hint.repository}, but names of folders decide nothing." if hint else ""
        return _ambiguous(f"The files in {folder} fit", fits, _with_type(folder), named)
    nearest = f" The nearest, {considered[0].name}: {considered[0].why}." if considered else ""
    return AmbiguousModelError(
        f"{folder} holds a checkpoint of family {family.name}, but none of its model types fits.{nearest}",
        f"Name the model type that it was made from: {_with_type(folder)}.",
    )


def _with_type(folder: Path) -> str:
    return either(f"load(TYPE, folder={str(folder)!r})", f"--model TYPE --model-dir {folder}")


def _ambiguous(said: str, fits: list[ModelType], how: str, more: str = "") -> AmbiguousModelError:
    told = "; ".join(f"{name} ({facts})" for name, facts in differences(fits).items())
    return AmbiguousModelError(f"{said} {len(fits)} model types: {told}.{more}", f"Name the one you mean: {how}.")


def _is_at(entry: ModelType | KnownType, reference: HubReference) -> bool:
    return any(_same(repository, reference.repository) for repository in _ids(entry, reference.hub))


def _ids(entry: ModelType | KnownType, hub: str | None) -> list[str]:
    ids = {"huggingface": entry.hub.huggingface, "modelscope": entry.hub.modelscope}
    return [repository for name, repository in ids.items() if repository and hub in (name, None)]


def _hub_of(entry: ModelType, reference: HubReference) -> str:
    names = {"Hugging Face": entry.hub.huggingface, "ModelScope": entry.hub.modelscope}
    return " and ".join(name for name, id_ in names.items() if id_ and _same(id_, reference.repository))


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _shadowed(text: str) -> tuple[Candidate, ...]:
    """The folder of the same name, which nobody meant unless they write ``./`` in front of it."""
    if not os.path.isdir(text):
        return ()
    return (Candidate(f".{os.sep}{text}", False, f"a folder; names win over folders, write .{os.sep}{text} for it"),)


def _no_plugin(known: KnownType, reference: HubReference) -> NoPluginError:
    return NoPluginError(
        f"{reference.repository} is {known.name} ({known.title}), which is known, but no plugin here runs it.",
        known.pointer,
    )


def _unknown_id(registry: Registry, reference: HubReference) -> UnknownModelTypeError:
    return UnknownModelTypeError(
        f"No model type here has the hub id {reference.repository!r}, and there is no such folder.",
        did_you_mean(reference.repository, _all_ids(registry)),
    )


def _all_ids(registry: Registry) -> list[str]:
    return [repository for entry in registry.model_types.values() for repository in _ids(entry, None)]
