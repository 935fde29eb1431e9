"""The hubs' caches as folders: where a file goes, whether it is there, and how it becomes visible when it is right."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from vlmplug.hub.cached import COMMIT, huggingface_root, modelscope_places, modelscope_root
from vlmplug.hub.options import HubOptions
from vlmplug.hub.repository import Listing, RemoteFile


class Store(Protocol):
    """The place of one listing in a cache; ``folder``: where its files are found under their own names."""

    @property
    def folder(self) -> Path:
        """The checkpoint's folder."""

    def holds(self, file: RemoteFile) -> bool:
        """Whether a file is there and right."""

    def target(self, file: RemoteFile) -> Path:
        """Where its bytes go once they are known to be right."""

    def received(self, file: RemoteFile) -> bool:
        """Whether they are there, shown or not."""

    def lock(self, file: RemoteFile) -> Path:
        """The lock that whoever writes it has to take."""

    def publish(self, file: RemoteFile) -> None:
        """Shows what `target` holds in ``folder``."""

    def finish(self, revision: str) -> None:
        """Notes which commit a revision is, once all its files are there."""


def store_of(listing: Listing, options: HubOptions) -> Store:
    """The place of a listing in its hub's cache."""
    cache = options.cache(listing.repository.hub)
    if listing.repository.hub == "huggingface":
        return HuggingFaceStore(cache, listing.repository.id, listing.commit)
    return ModelScopeStore(cache, listing.repository.id, listing.commit)


def partial(target: Path) -> Path:
    """Where the bytes of an unfinished file are, until they are complete."""
    return target.with_name(f"{target.name}.incomplete")


class HuggingFaceStore:
    """The cache of huggingface_hub: contents under their checksums, and snapshots of links to them."""

    def __init__(self, cache: Path, id_: str, commit: str) -> None:
        self._root = huggingface_root(cache, id_)
        self._locks = cache / ".locks" / self._root.name
        self._commit = commit
        self.folder = self._root / "snapshots" / commit

    def holds(self, file: RemoteFile) -> bool:
        """By its size: a snapshot never changes, and contents come under their names when they are complete."""
        return _has_size(self.folder / file.path, file.size)

    def target(self, file: RemoteFile) -> Path:
        """Under its checksum; under its own name where the hub gives none."""
        return self._root / "blobs" / file.checksum.value if file.checksum else self.folder / file.path

    def received(self, file: RemoteFile) -> bool:
        """By their size: they come under their checksum when they are complete."""
        return _has_size(self.target(file), file.size)

    def lock(self, file: RemoteFile) -> Path:
        """The one that huggingface_hub takes."""
        name = file.checksum.value if file.checksum else hashlib.sha256(file.path.encode()).hexdigest()
        return self._locks / f"{name}.lock"

    def publish(self, file: RemoteFile) -> None:
        """A relative link, or the content itself where links cannot be made."""
        target, shown = self.target(file), self.folder / file.path
        if target == shown:
            return
        shown.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            shown.unlink()
        try:
            shown.symlink_to(os.path.relpath(target, shown.parent))
        except FileExistsError:  # another process was faster, with the same link
            return
        except OSError:
            os.replace(target, shown)

    def finish(self, revision: str) -> None:
        """As huggingface_hub does, so that it finds the commit without asking the hub."""
        if COMMIT.fullmatch(revision):
            return
        reference = self._root / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        written = reference.with_name(f"{reference.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        written.write_text(self._commit, "ascii")
        os.replace(written, reference)


class ModelScopeStore:
    """The cache of ModelScope: plain files; a folder that an older version of its program began is gone on with."""

    def __init__(self, cache: Path, id_: str, revision: str) -> None:
        old = (place for place in modelscope_places(cache, id_, revision)[:-1] if place.is_dir())
        self.folder = next(old, modelscope_root(cache, id_) / "snapshots" / revision)
        self._locks = cache / ".lock"

    def holds(self, file: RemoteFile) -> bool:
        """By its content: a branch moves, and new weights mostly have the size of the old ones."""
        place = self.folder / file.path
        return _has_size(place, file.size) and (file.checksum is None or file.checksum.fits(place))

    def target(self, file: RemoteFile) -> Path:
        """Its own place."""
        return self.folder / file.path

    def received(self, file: RemoteFile) -> bool:
        """What is there is shown."""
        return self.holds(file)

    def lock(self, file: RemoteFile) -> Path:
        """One of our own: those of ModelScope's program differ from version to version."""
        place = hashlib.sha256(str(self.target(file)).encode()).hexdigest()
        return self._locks / f"vlmplug-{place}.lock"

    def publish(self, file: RemoteFile) -> None:
        """It is in its place."""

    def finish(self, revision: str) -> None:
        """The folder bears the revision's name."""


def _has_size(file: Path, size: int | None) -> bool:
    return file.is_file() and (size is None or file.stat().st_size == size)
