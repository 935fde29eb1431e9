"""Repositories of models: how they are named, and what a hub says is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from vlmplug.errors import HubError, HubNotFoundError
from vlmplug.hub.checksum import Checksum
from vlmplug.hub.options import HUBS, TITLES, HubName, HubOptions
from vlmplug.model_type import ModelType
from vlmplug.remedy import MODEL_FOLDER

_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_REVISION = re.compile(r"[\w.+-]+(/[\w.+-]+)*", re.ASCII)
_DEFAULT_REVISIONS = {"huggingface": "main", "modelscope": "master"}


@dataclass(frozen=True)
class Repository:
    """One model on one hub.

    - ``endpoint``: address of the hub. ``revision``: branch, tag or commit.

    :raises HubNotFoundError: an id or a revision that no hub can have.
    """

    hub: HubName
    id: str
    revision: str
    endpoint: str

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id) or ".." in self.id:
            raise HubNotFoundError(f"{self.id!r} is no repository of {self.title}.", "Write OWNER/NAME.")
        if not _REVISION.fullmatch(self.revision) or ".." in self.revision:
            raise HubNotFoundError(
                f"{self.revision!r} is no revision of {self.id}.", "Name a branch, a tag or a commit."
            )

    @property
    def title(self) -> str:
        """The hub's name, for people."""
        return TITLES[self.hub]

    @property
    def page(self) -> str:
        """Where people read about it."""
        return f"{self.endpoint}/{self.id}" if self.hub == "huggingface" else f"{self.endpoint}/models/{self.id}"


def repositories(entry: ModelType, options: HubOptions) -> tuple[Repository, ...]:
    """Where a model type's checkpoint is, the first choice first.

    :raises HubNotFoundError: its manifest names no repository on the hub that was asked for.
    """
    hubs: tuple[HubName, ...] = HUBS if options.hub == "auto" else (options.hub,)
    found = tuple(_repository(hub, id_, entry, options) for hub in hubs if (id_ := getattr(entry.hub, hub)))
    if not found:
        where = " or ".join(TITLES[hub] for hub in hubs)
        raise HubNotFoundError(
            f"The manifest of {entry.name} names no repository on {where}.",
            f"Name the folder of its checkpoint: {MODEL_FOLDER}.",
        )
    return found


def _repository(hub: HubName, id_: str, entry: ModelType, options: HubOptions) -> Repository:
    pinned: str | None = getattr(entry.hub, f"{hub}_revision")
    return Repository(hub, id_, options.revision or pinned or _DEFAULT_REVISIONS[hub], options.endpoint(hub))


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository.

    - ``path``: with slashes, below the repository; it leads nowhere else.
    - ``size``: bytes; None: the hub does not say. ``checksum``: None: the hub gives none.

    :raises HubError: a path that leads out of the repository.
    """

    path: str
    size: int | None
    checksum: Checksum | None

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        outside = any(part in ("", ".", "..") for part in parts) or bool(PureWindowsPath(self.path).drive)
        if outside or "\\" in self.path or not self.path.isprintable():
            raise HubError(
                f"The hub lists a file {self.path[:200]!r}, which leads out of the checkpoint's folder.",
                "Do not use this repository; tell its owner and the hub.",
            )

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Listing:
    """What is in a repository at one moment; ``commit``: the name of that moment in the hub's cache."""

    repository: Repository
    commit: str
    files: tuple[RemoteFile, ...]
