"""What lies in caches because of vlmplug: checkpoints of its model types, converted weights, and what makes it fast."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vlmplug.errors import HubError, HubNotFoundError
from vlmplug.hub.cached import huggingface_root, is_complete, modelscope_places, modelscope_root, snapshots
from vlmplug.hub.options import HUBS, HubName, HubOptions
from vlmplug.hub.repository import Repository, repositories
from vlmplug.model_type import ModelType
from vlmplug.user_folder import cache_folder_if_any

Kind = Literal["checkpoint", "conversion", "index"]

#: Folder of converted weights in our own cache.
CONVERTED = "converted"


@dataclass(frozen=True)
class Kept:
    """One folder that can go.

    - ``name``: repository of a checkpoint, else the folder's own name. ``model_types``: those that it serves.
    - ``hub``: whose cache it is in; None: ours. ``size``: bytes that come free.
    - ``complete``: whether a checkpoint has all that its newest revision needs.
    """

    kind: Kind
    name: str
    folder: Path
    size: int
    hub: HubName | None = None
    model_types: tuple[str, ...] = ()
    complete: bool = True


def inventory(entries: Iterable[ModelType], options: HubOptions | None = None) -> list[Kept]:
    """Everything that is kept: checkpoints by repository, then conversions, then indexes."""
    return [*_checkpoints(list(entries), options or HubOptions()), *_own()]


def remove(kept: Kept) -> None:
    """Deletes a folder of `inventory`, and its locks.

    :raises HubError: something in it cannot be deleted.
    """
    try:
        shutil.rmtree(kept.folder)
        lock = kept.folder.with_name(f"{kept.folder.name}.lock")
        lock.unlink(missing_ok=True)
        if kept.hub == "huggingface":
            shutil.rmtree(kept.folder.parent / ".locks" / kept.folder.name, ignore_errors=True)
    except OSError as error:
        raise HubError(f"{kept.folder} cannot be deleted: {error}.", "Check its permissions.") from error


def _checkpoints(entries: list[ModelType], options: HubOptions) -> Iterator[Kept]:
    for hub in HUBS:
        served: dict[str, list[tuple[ModelType, Repository]]] = {}
        for entry in entries:
            for repository in _repositories(entry, hub, options):
                served.setdefault(repository.id, []).append((entry, repository))
        for id_, users in served.items():
            names = tuple(entry.name for entry, _ in users)
            for folder in filter(_is_own_folder, _roots(hub, options.cache(hub), id_)):
                complete = any(_is_whole(repository, folder, options) for _, repository in users)
                yield Kept("checkpoint", id_, folder, size_of(folder), hub, names, complete)


def _repositories(entry: ModelType, hub: HubName, options: HubOptions) -> tuple[Repository, ...]:
    """None where a manifest names none on that hub, or something that is no repository."""
    try:
        return repositories(entry, replace(options, hub=hub))
    except HubNotFoundError:
        return ()


def _roots(hub: HubName, cache: Path, id_: str) -> list[Path]:
    if hub == "huggingface":
        return [huggingface_root(cache, id_)]
    return [*modelscope_places(cache, id_, "any")[:-1], modelscope_root(cache, id_)]


def _is_whole(repository: Repository, root: Path, options: HubOptions) -> bool:
    return any(is_complete(place) for place in snapshots(repository, options) if place.is_relative_to(root))


def _own() -> Iterator[Kept]:
    cache = cache_folder_if_any()
    for folder in _folders(cache / CONVERTED if cache else None):
        yield Kept("conversion", folder.name, folder, size_of(folder), complete=not folder.name.endswith(".incomplete"))
    for folder in _folders(cache):
        if folder.name != CONVERTED:
            yield Kept("index", folder.name, folder, size_of(folder))


def _folders(place: Path | None) -> list[Path]:
    return sorted(filter(_is_own_folder, place.iterdir())) if place is not None and place.is_dir() else []


def _is_own_folder(folder: Path) -> bool:
    """A link leads to what is somebody else's."""
    return folder.is_dir() and not folder.is_symlink()


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; links count nothing."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return sum(file.stat().st_size for file in files)
