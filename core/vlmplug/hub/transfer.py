"""One file from a hub to its place: begun where it was cut, checked, and only then visible."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from vlmplug.errors import DiskSpaceError, HubChecksumError, HubError
from vlmplug.hub.checksum import PIECE, Digest, feed
from vlmplug.hub.http import HubConnection
from vlmplug.hub.patience import Attempts, Transient
from vlmplug.hub.refusal import Asked
from vlmplug.hub.repository import RemoteFile
from vlmplug.hub.store import Store, partial


@dataclass(frozen=True)
class Transfer:
    """What is needed to fetch one file.

    - ``advance``: told how many more bytes are here.
    """

    file: RemoteFile
    url: str
    asked: Asked
    connection: HubConnection
    attempts: Attempts
    store: Store
    advance: Callable[[int], None]

    def run(self) -> None:
        """Fetches the file, unless another process has done so meanwhile.

        :raises HubError: it cannot be had; what is here of it is kept, unless it is wrong.
        :raises Stopped: all work is to end; what is here of it is kept.
        """
        with _disk(self.store.target(self.file)), self._locked():
            target = self.store.target(self.file)
            if not self.store.received(self.file):
                target.parent.mkdir(parents=True, exist_ok=True)
                self._fetch(partial(target))
                os.replace(partial(target), target)
            self.store.publish(self.file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time. Where a file system ignores locks, the checksum finds out."""
        lock = self.store.lock(self.file)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            yield

    def _fetch(self, place: Path) -> None:
        here = place.stat().st_size if place.is_file() else 0
        if self.file.size is not None and here > self.file.size:
            place.unlink()
            self.advance(-here)
        self.attempts.run(lambda: self._continue(place))
        self._verify(place)

    def _continue(self, place: Path) -> None:
        """One request for what is missing.

        :raises Transient: some still is.
        """
        start = place.stat().st_size if place.is_file() else 0
        if start and start == self.file.size:
            return
        try:
            self._receive(place, start)
        except Transient as failure:
            if failure.restart and place.is_file():
                self._forget(place)
            raise

    def _receive(self, place: Path, start: int) -> None:
        with self.connection.content(self.url, self.asked, start) as answer:
            if answer.start != start:  # the whole file comes
                self._forget(place)
            size = self.file.size if self.file.size is not None else answer.size
            if answer.size is not None and size != answer.size:
                raise self._wrong(place, f"{answer.size:,} bytes instead of {size:,}")
            with place.open("ab") as content:
                while piece := answer.read(PIECE):
                    self.attempts.check()
                    content.write(piece)
                    self.advance(len(piece))
                    self.attempts.progressed()
                    if size is not None and content.tell() > size:
                        raise self._wrong(place, f"more than {size:,} bytes")
                if size is not None and content.tell() < size:
                    raise Transient(f"the connection was cut at byte {content.tell():,} of {size:,}")

    def _verify(self, place: Path) -> None:
        if self.file.checksum is None:
            return
        digest: Digest = self.file.checksum.digest(place.stat().st_size)
        feed(digest, place)
        if digest.hexdigest() != self.file.checksum.value:
            raise self._wrong(place, "other bytes than its checksum says")

    def _wrong(self, place: Path, what: str) -> HubChecksumError:
        self._forget(place)
        return HubChecksumError(
            f"{self.asked.place}: {what} came; they were deleted.",
            "Try again; if it happens again, a proxy or mirror in between changes files, or the hub's copy is broken.",
        )

    def _forget(self, place: Path) -> None:
        if place.is_file():
            self.advance(-place.stat().st_size)
            place.unlink()


@contextmanager
def _disk(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskSpaceError(
                f"{target} cannot be written: {reason}.", "Free some space and run the command again; it goes on there."
            ) from error
        raise HubError(f"{target} cannot be written: {reason}.", "Check the folder and its permissions.") from error
