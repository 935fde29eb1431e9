"""One hub, as downloads see it: what is in a repository, and the bytes of its files."""

from __future__ import annotations

import threading
from typing import Protocol

from vlmplug.hub import huggingface, modelscope
from vlmplug.hub.http import HubConnection
from vlmplug.hub.options import HubName, HubOptions
from vlmplug.hub.patience import Attempts
from vlmplug.hub.refusal import Asked
from vlmplug.hub.repository import Listing, RemoteFile, Repository


class _Interface(Protocol):
    """What differs from hub to hub."""

    def secrets(self, token: str | None) -> dict[str, str]: ...

    def list_files(self, connection: HubConnection, asked: Asked, attempts: Attempts) -> Listing: ...

    def address(self, listing: Listing, file: RemoteFile) -> str: ...


_INTERFACES: dict[HubName, _Interface] = {"huggingface": huggingface, "modelscope": modelscope}


class HubClient:
    """Speaks to the hub of one repository.

    :param licence: where the licence of the weights is read; for messages.
    """

    def __init__(self, repository: Repository, options: HubOptions, licence: str = "") -> None:
        self.repository = repository
        self.stop = threading.Event()
        self._interface = _INTERFACES[repository.hub]
        self._patience, self._licence = options.patience, licence
        secrets = self._interface.secrets(options.token(repository.hub))
        self.connection = HubConnection(repository.endpoint, secrets, options.patience.timeout)

    def list_files(self) -> Listing:
        """What is in the repository now.

        :raises HubError: the hub does not say.
        """
        asked = self.asked()
        return self._interface.list_files(self.connection, asked, self.attempts(asked))

    def asked(self, file: RemoteFile | None = None) -> Asked:
        """What a request is about, for messages."""
        return Asked(self.repository, file.path if file is not None else None, self._licence)

    def attempts(self, asked: Asked) -> Attempts:
        """The tries at one request; `give_up` ends them."""
        return Attempts(self._patience, asked.place, self.stop)

    def address(self, listing: Listing, file: RemoteFile) -> str:
        """Where the bytes of a file are."""
        return self._interface.address(listing, file)

    def give_up(self) -> None:
        """Ends all that is under way, at once."""
        self.stop.set()
        self.connection.cut()
