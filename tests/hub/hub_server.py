"""A hub on the loopback interface that speaks the protocols of Hugging Face and of ModelScope, with faults on demand.

It keeps its large files on a second server, the CDN, to which it redirects as the real ones do.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "Org/Toy-1B"
#: Files of this size and more are on the CDN, as those under git-lfs are.
LARGE = 1000


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    - ``status``, ``headers``, ``body``: the answer instead of the file.
    - ``cut``: bytes after which the connection ends. ``hang``: seconds of silence after them.
    - ``content``: other bytes. ``ignore_range``: the whole file comes, whatever was asked for.
    - ``wrong_range``: the answer begins elsewhere than it was asked to.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    hang: float = 0.0
    content: bytes | None = None
    ignore_range: bool = False
    wrong_range: bool = False


@dataclass(frozen=True)
class Seen:
    """One request."""

    server: str
    path: str
    headers: Mapping[str, str]


class HubServer:
    """Both servers and what they serve.

    - ``faults``: by file name (or ``"listing"``), what goes wrong with its next requests, one after the other.
    - ``listing``: names of files as the hub lists them, where they differ from ``files``.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.repository, self.revisions = REPOSITORY, {"main", "master", COMMIT}
        self.faults: dict[str, list[Fault]] = {}
        self.seen: list[Seen] = []
        self.listed: dict[str, str] = {}
        self.checksums: dict[str, str] = {}
        self.token = ""
        self.gated = False
        self._servers = [_Server(self, "hub"), _Server(self, "cdn")]

    @property
    def endpoint(self) -> str:
        """Address of the hub."""
        return self._servers[0].address

    @property
    def cdn(self) -> str:
        """Address of its storage, which is another host."""
        return self._servers[1].address.replace("127.0.0.1", "localhost")

    def requests(self, name: str) -> list[Seen]:
        """The requests for one file, on both servers."""
        return [seen for seen in self.seen if seen.path.endswith(name)]

    def ranges(self, name: str) -> list[str | None]:
        """What they asked for of it, where the bytes came from."""
        server = "cdn" if len(self.files[name]) >= LARGE else "hub"
        return [seen.headers.get("range") for seen in self.requests(name) if seen.server == server]

    def __enter__(self) -> HubServer:
        for server in self._servers:
            server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.stop()


class _Server:
    def __init__(self, hub: HubServer, name: str) -> None:
        class Handler(_Handler):
            pass

        Handler.hub, Handler.name = hub, name
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer
    name: str

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        path = unquote(query.get("FilePath", address.path))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.seen.append(Seen(self.name, path, headers))
        try:
            self._answer(address.path, query)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_GET

    def _answer(self, path: str, query: Mapping[str, str]) -> None:
        repository = re.escape(self.hub.repository)
        if self.name == "cdn":
            return self._file(unquote(path).removeprefix("/cdn/"))
        if found := re.fullmatch(f"/api/models/{repository}/revision/([^/]+)", path):
            return self._listing(found[1], self._of_huggingface())
        if found := re.fullmatch(f"/api/models/{repository}/tree/([^/]+)", path):
            return self._listing(found[1], self._tree())
        if re.fullmatch(f"/api/v1/models/{repository}/repo/files", path):
            return self._listing(query["Revision"], self._of_modelscope())
        if found := re.fullmatch(f"/{repository}/resolve/([^/]+)/(.+)", path):
            return self._resolved(unquote(found[2]))
        if re.fullmatch(f"/api/v1/models/{repository}/repo", path):
            return self._resolved(query["FilePath"])
        return self._send(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})

    def _listing(self, revision: str, content: Any) -> None:
        if fault := self._fault("listing"):
            return self._refuse(fault)
        if unquote(revision) not in self.hub.revisions:
            return self._send(404, b'{"error": "no such revision"}', {"X-Error-Code": "RevisionNotFound"})
        return self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _resolved(self, name: str) -> None:
        allowed = f"Bearer {self.hub.token}" == self.headers.get("Authorization")
        if self.hub.gated and not allowed:
            message = "Access to model Org/Toy-1B is restricted"
            return self._send(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": message})
        content = self.hub.files.get(name)
        if content is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        if len(content) < LARGE:
            return self._file(name)
        digest = hashlib.sha256(content).hexdigest()
        linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content)), "X-Repo-Commit": COMMIT}
        return self._send(302, b"", {"Location": f"{self.hub.cdn}/cdn/{name}", **linked})

    def _file(self, name: str) -> None:
        fault = self._fault(name) or Fault()
        if fault.status:
            return self._refuse(fault)
        content = self.hub.files[name] if fault.content is None else fault.content
        start = self._start()
        if start > len(content) or (start and start == len(content)):
            return self._send(416, b"", {})
        if fault.ignore_range or not start:
            return self._stream(200, content, {}, fault)
        said = start + 1 if fault.wrong_range else start
        span = {"Content-Range": f"bytes {said}-{len(content) - 1}/{len(content)}"}
        return self._stream(206, content[said:], span, fault)

    def _start(self) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else 0

    def _fault(self, name: str) -> Fault | None:
        waiting = self.hub.faults.get(name)
        return waiting.pop(0) if waiting else None

    def _refuse(self, fault: Fault) -> None:
        self._send(fault.status, fault.body, fault.headers)

    def _stream(self, status: int, content: bytes, headers: Mapping[str, str], fault: Fault) -> None:
        etag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        self._head(status, {"Content-Length": str(len(content)), "ETag": f'"{etag}"', **headers})
        if self.command == "HEAD":
            return
        end = len(content) if fault.cut is None else fault.cut
        self.wfile.write(content[:end])
        self.wfile.flush()
        if fault.hang:
            time.sleep(fault.hang)
        if fault.cut is not None:
            self.close_connection = True

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self._head(status, {"Content-Length": str(len(content)), **headers})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"X-Repo-Commit": COMMIT, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _of_huggingface(self) -> Any:
        siblings = [
            {"rfilename": self.hub.listed.get(name, name), "size": len(content), **self._sums(name, content)}
            for name, content in self.hub.files.items()
        ]
        return {"id": self.hub.repository, "sha": COMMIT, "siblings": siblings, "gated": self.hub.gated}

    def _tree(self) -> Any:
        return [
            {"type": "file", "path": name, "size": len(content), "oid": self._sums(name, content)["blobId"]}
            | ({"lfs": self._lfs(content)} if len(content) >= LARGE else {})
            for name, content in self.hub.files.items()
        ]

    def _sums(self, name: str, content: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        if len(content) < LARGE:
            return {"blobId": self.hub.checksums.get(name, blob)}
        return {"blobId": blob, "lfs": {**self._lfs(content), **self._changed(name)}}

    def _changed(self, name: str) -> dict[str, str]:
        return {"sha256": self.hub.checksums[name]} if name in self.hub.checksums else {}

    def _lfs(self, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        return {"sha256": digest, "oid": digest, "size": len(content), "pointerSize": 130}

    def _of_modelscope(self) -> Any:
        files = [
            {
                "Path": self.hub.listed.get(name, name),
                "Name": name.rpartition("/")[2],
                "Type": "blob",
                "Size": len(content),
                "Sha256": self.hub.checksums.get(name, hashlib.sha256(content).hexdigest()),
            }
            for name, content in self.hub.files.items()
        ]
        return {"Code": 200, "Success": True, "Data": {"Files": [{"Path": "folder", "Type": "tree"}, *files]}}
