"""Checkpoints that are on this machine already; no network, and nothing heavy imported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from vlmplug.errors import HubNotFoundError
from vlmplug.hub.options import HubOptions
from vlmplug.hub.repository import Repository, repositories
from vlmplug.model_type import Family, ModelType

#: A commit, which names its snapshot itself; branches and tags are looked up.
COMMIT = re.compile(r"[0-9a-f]{40}")

_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
#: An index has about 100 bytes a weight.
_MAX_INDEX_BYTES = 64_000_000


def cached_checkpoint(entry: ModelType, family: Family, options: HubOptions | None = None) -> Path | None:
    """The folder of a complete checkpoint in the hubs' caches, whoever downloaded it; None: there is none.

    :raises OptionError: an endpoint that is no web address. :raises HubNotFoundError: a revision that is no name.
    """
    options = options or HubOptions()
    if not (entry.hub.huggingface or entry.hub.modelscope):
        return None
    try:
        candidates = repositories(entry, options)
    except HubNotFoundError:
        if options.revision is not None:
            raise
        return None
    folders = (folder for repository in candidates for folder in snapshots(repository, options))
    return next((folder for folder in folders if is_complete(folder)), None)


def snapshots(repository: Repository, options: HubOptions) -> Iterator[Path]:
    """Folders in which a hub's programs keep one revision of a repository, where there are such."""
    cache = options.cache(repository.hub)
    if repository.hub == "huggingface":
        root = huggingface_root(cache, repository.id)
        commit = _commit(root, repository.revision)
        places = [root / "snapshots" / commit] if commit is not None else []
    else:
        places = modelscope_places(cache, repository.id, repository.revision)
    yield from (place for place in places if place.is_dir())


def huggingface_root(cache: Path, id_: str) -> Path:
    """The folder of one repository in the cache of huggingface_hub."""
    return cache / f"models--{id_.replace('/', '--')}"


def modelscope_places(cache: Path, id_: str, revision: str) -> list[Path]:
    """Where the programs of ModelScope keep a repository: up to 1.37 without its revision and with other dots, and
    since then as Hugging Face does."""
    old = id_.replace(".", "___")
    return [
        cache / "models" / old,
        cache / "hub" / "models" / old,
        cache / "hub" / old,
        modelscope_root(cache, id_) / "snapshots" / revision,
    ]


def modelscope_root(cache: Path, id_: str) -> Path:
    """The folder of one repository in the cache of ModelScope, as it is since 1.38."""
    return cache / "models" / id_.replace("/", "--")


def is_complete(folder: Path) -> bool:
    """Whether a folder holds a configuration and all weights; those come last when we download."""
    if not (folder / _CONFIG).is_file():
        return False
    for weights in _WEIGHTS:
        index = folder / f"{weights}.index.json"
        if index.is_file():
            return _has_all(folder, index)
        if (folder / weights).is_file():
            return True
    return False


def _has_all(folder: Path, index: Path) -> bool:
    try:
        if index.stat().st_size > _MAX_INDEX_BYTES:
            return False
        names = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        return bool(names) and all((folder / name).is_file() for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _commit(root: Path, revision: str) -> str | None:
    if COMMIT.fullmatch(revision):
        return revision
    try:
        commit = (root / "refs" / revision).read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    return commit if COMMIT.fullmatch(commit) else None
