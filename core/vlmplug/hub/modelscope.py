"""The interface of ModelScope: what is in a repository, and where each file is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from vlmplug.hub.checksum import Checksum
from vlmplug.hub.http import HubConnection
from vlmplug.hub.patience import Attempts
from vlmplug.hub.refusal import Asked, Refusal
from vlmplug.hub.repository import Listing, RemoteFile

_FOLDER = "tree"
_OF_NOTHING = hashlib.sha256().hexdigest()


def secrets(token: str | None) -> dict[str, str]:
    """The headers that show a token: newer parts of the hub read the first, older ones the second."""
    return {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else {}


def list_files(connection: HubConnection, asked: Asked, attempts: Attempts) -> Listing:
    """Everything in a repository at one revision, with sizes and checksums.

    :raises HubError: the hub does not say.
    """
    repository = asked.repository
    query = urlencode({"Revision": repository.revision, "Recursive": "True"})
    url = f"{repository.endpoint}/api/v1/models/{repository.id}/repo/files?{query}"
    content = connection.json(url, asked, attempts)
    if isinstance(content, dict) and content.get("Success") is False:
        raise _refused(content, asked, connection.identified)
    try:
        entries = content["Data"]["Files"]
        files = tuple(_file(entry) for entry in entries if entry.get("Type") != _FOLDER)
    except (KeyError, TypeError, AttributeError) as error:
        raise asked.nonsense("its listing has another form than that of ModelScope") from error
    return Listing(repository, repository.revision, files)


def address(listing: Listing, file: RemoteFile) -> str:
    """Where the bytes of a file are; the hub redirects to its storage."""
    repository = listing.repository
    query = urlencode({"Revision": listing.commit, "FilePath": file.path}, quote_via=quote)
    return f"{repository.endpoint}/api/v1/models/{repository.id}/repo?{query}"


def _refused(content: Mapping[str, Any], asked: Asked, identified: bool) -> Exception:
    """Some refusals come with the status of a success; their code is the status, or a number of the hub's own."""
    code = content.get("Code")
    if isinstance(code, int) and code in (401, 403, 404):
        return Refusal(code, {}, json.dumps(content).encode()).error(asked, identified)
    return asked.nonsense(f"it says {str(content.get('Message'))[:200]!r}")


def _file(entry: Mapping[str, Any]) -> RemoteFile:
    given, size = entry.get("Sha256"), entry.get("Size")
    checksum = Checksum("sha256", given.lower()) if isinstance(given, str) else None
    if checksum is not None and not checksum.plausible:
        checksum = None
    # The hub says 0 where it does not know.
    known = isinstance(size, int) and (size > 0 or (checksum is not None and checksum.value == _OF_NOTHING))
    return RemoteFile(str(entry["Path"]), size if known else None, checksum)
