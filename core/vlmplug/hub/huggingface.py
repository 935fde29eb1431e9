"""The interface of Hugging Face and its mirrors: what is in a repository, and where each file is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from vlmplug.hub.checksum import Checksum
from vlmplug.hub.http import HubConnection
from vlmplug.hub.patience import Attempts
from vlmplug.hub.refusal import Asked
from vlmplug.hub.repository import Listing, RemoteFile, Repository


def secrets(token: str | None) -> dict[str, str]:
    """The headers that show a token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def list_files(connection: HubConnection, asked: Asked, attempts: Attempts) -> Listing:
    """Everything in a repository at one commit, with sizes and checksums.

    :raises HubError: the hub does not say.
    """
    repository = asked.repository
    revision = quote(repository.revision, safe="")
    url = f"{repository.endpoint}/api/models/{repository.id}/revision/{revision}?blobs=true"
    content = connection.json(url, asked, attempts)
    try:
        commit, siblings = str(content["sha"]), content["siblings"]
        files = tuple(_file(sibling) for sibling in siblings)
    except (KeyError, TypeError, AttributeError) as error:
        raise asked.nonsense("its listing has another form than that of Hugging Face") from error
    return Listing(Repository(repository.hub, repository.id, commit, repository.endpoint), commit, files)


def address(listing: Listing, file: RemoteFile) -> str:
    """Where the bytes of a file are; the hub redirects to its storage."""
    repository = listing.repository
    return f"{repository.endpoint}/{repository.id}/resolve/{quote(listing.commit, safe='')}/{quote(file.path)}"


def _file(sibling: Mapping[str, Any]) -> RemoteFile:
    size, large, small = sibling.get("size"), sibling.get("lfs"), sibling.get("blobId")
    checksum = Checksum("sha256", str(large["sha256"])) if large else Checksum("git", str(small))
    return RemoteFile(
        str(sibling["rfilename"]),
        size if isinstance(size, int) else None,
        checksum if checksum.plausible else None,
    )
