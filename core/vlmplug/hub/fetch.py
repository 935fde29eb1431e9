"""A checkpoint from a hub: first a plan with all the numbers, then the files."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from vlmplug.errors import HubAccessError, HubError, HubOfflineError, HubUnreachableError
from vlmplug.hub.cached import cached_checkpoint
from vlmplug.hub.disk import check_space, readable
from vlmplug.hub.options import HubOptions
from vlmplug.hub.repository import Listing, RemoteFile, Repository, repositories
from vlmplug.hub.selection import is_convertible, is_weights, select
from vlmplug.model_type import Family, ModelType
from vlmplug.remedy import MODEL_FOLDER, either
from vlmplug.user_folder import cache_folder

if TYPE_CHECKING:
    from vlmplug.hub.store import Store


@dataclass(frozen=True)
class FetchPlan:
    """What a download would do.

    - ``repository``: with the revision that was asked for. ``listing``: what the hub has at that moment.
    - ``files``: those that the family needs. ``missing``: those of them that are not here.
    - ``folder``: the checkpoint's folder. ``begun``: bytes of the missing ones that are here.
    """

    entry: ModelType
    repository: Repository
    listing: Listing
    files: tuple[RemoteFile, ...]
    missing: tuple[RemoteFile, ...]
    folder: Path
    begun: int

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return _size(self.files)

    @property
    def bytes_to_fetch(self) -> int:
        """Bytes that are not here yet."""
        return max(0, _size(self.missing) - self.begun)

    @property
    def bytes_to_convert(self) -> int:
        """Bytes that the first use writes besides, because the weights have to be converted."""
        return _size(file for file in self.files if is_convertible(file))

    def check_licence(self, options: HubOptions) -> None:
        """:raises HubAccessError: something would be fetched whose licence has to be accepted, and was not."""
        licence = self.entry.licence
        if self.missing and licence.accept and not options.accept_licence:
            raise HubAccessError(
                f"The licence of {self.entry.name} ({licence.name}) has to be accepted before its weights are fetched.",
                f"Read {licence.url or self.repository.page}, then run `vlmplug models pull {self.entry.name}`, or say "
                "HubOptions(accept_licence=True) in Python.",
            )

    def check_space(self) -> None:
        """:raises DiskSpaceError: the disk has too little for it, with the numbers."""
        check_space({self.folder: self.bytes_to_fetch, cache_folder(): self.bytes_to_convert})


def fetch_checkpoint(entry: ModelType, family: Family, options: HubOptions | None = None) -> Path:
    """The folder of a model type's checkpoint, as the hub has it now; what is missing is downloaded.

    :raises HubError: it cannot be had. What was fetched is kept, and the next try goes on there.
    :raises OptionError: an endpoint that is no web address.
    """
    options = options or HubOptions()
    if options.is_offline:
        return _from_cache(entry, family, options)
    plan = plan_fetch(entry, family, options)
    if plan.missing:
        where, size = plan.repository.title, readable(plan.bytes_to_fetch)
        options.progress.note(f"fetching {entry.name} from {where}: {size}, licence: {entry.licence.name}")
    return carry_out(plan, options)


def plan_fetch(entry: ModelType, family: Family, options: HubOptions | None = None) -> FetchPlan:
    """Asks the hub what there is, and looks what is here.

    :raises HubError: the hub does not say, or nothing may be fetched.
    """
    options = options or HubOptions()
    if options.is_offline:
        raise HubOfflineError(
            f"Nothing may be fetched for {entry.name}: this is offline mode.",
            f"Leave out {either('HubOptions(offline=True)', '--offline')}, and unset HF_HUB_OFFLINE.",
        )
    candidates = repositories(entry, options)
    for candidate, following in pairwise(candidates):
        try:
            return _plan(entry, family, candidate, options)
        except HubUnreachableError as error:
            if options.revision is not None:  # a commit of one hub is none of the other
                raise
            options.progress.note(f"{error.problem} Trying {following.title}.")
    return _plan(entry, family, candidates[-1], options)


def carry_out(plan: FetchPlan, options: HubOptions | None = None) -> Path:
    """Fetches what a plan lacks; small files first, so that a folder with all weights is complete.

    :raises HubError: a file cannot be had; the others are kept. Or nothing was tried: no space, no consent.
    """
    options = options or HubOptions()
    plan.check_licence(options)
    plan.check_space()
    options.progress.begin(plan.size, plan.size - plan.bytes_to_fetch)
    try:
        work = _Work(plan, options)
        work.run([file for file in plan.missing if not is_weights(file)])
        work.run([file for file in plan.missing if is_weights(file)])
        work.finish()
    finally:
        options.progress.end()
    return plan.folder


class _Work:
    """The files of one plan, several at a time; the first failure ends it."""

    def __init__(self, plan: FetchPlan, options: HubOptions) -> None:
        from vlmplug.hub.client import HubClient
        from vlmplug.hub.store import store_of

        self._plan, self._options = plan, options
        self._client = HubClient(plan.repository, options, plan.entry.licence.url)
        self._store: Store = store_of(plan.listing, options)
        self._telling = threading.Lock()

    def run(self, files: Iterable[RemoteFile]) -> None:
        """Fetches files; ends soon after Ctrl-C, with all bytes that came in their places.

        :raises HubError: the first that failed.
        """
        with ThreadPoolExecutor(self._options.workers, "vlmplug-hub") as pool:
            futures = [pool.submit(self._fetch, file) for file in files]
            try:
                done, others = wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._end(pool)
                raise
            if others:
                self._end(pool)
        for future in done:
            future.result()

    def finish(self) -> None:
        """Notes which commit was fetched."""
        try:
            self._store.finish(self._plan.repository.revision)
        except OSError as error:
            raise HubError(f"{self._plan.folder.parent} cannot be written: {error}.", "Check the folder.") from error

    def _end(self, pool: ThreadPoolExecutor) -> None:
        self._client.give_up()
        pool.shutdown(cancel_futures=True)

    def _fetch(self, file: RemoteFile) -> None:
        from vlmplug.hub.transfer import Transfer

        asked, url = self._client.asked(file), self._client.address(self._plan.listing, file)
        attempts = self._client.attempts(asked)
        Transfer(file, url, asked, self._client.connection, attempts, self._store, self._advance).run()

    def _advance(self, count: int) -> None:
        with self._telling:
            self._options.progress.advance(count)


def _plan(entry: ModelType, family: Family, repository: Repository, options: HubOptions) -> FetchPlan:
    from vlmplug.hub.client import HubClient
    from vlmplug.hub.store import partial, store_of

    listing = HubClient(repository, options, entry.licence.url).list_files()
    files, store = select(listing, family.files), store_of(listing, options)
    missing = tuple(file for file in files if not store.holds(file))
    begun = sum(place.stat().st_size for file in missing if (place := partial(store.target(file))).is_file())
    return FetchPlan(entry, repository, listing, files, missing, store.folder, begun)


def _from_cache(entry: ModelType, family: Family, options: HubOptions) -> Path:
    folder = cached_checkpoint(entry, family, options)
    if folder is not None:
        return folder
    raise HubOfflineError(
        f"The checkpoint of {entry.name} is not on this machine, and this is offline mode.",
        f"Run `vlmplug models pull {entry.name}` where there is a network, or name its folder: {MODEL_FOLDER}.",
    )


def _size(files: Iterable[RemoteFile]) -> int:
    return sum(file.size or 0 for file in files)
