"""A web server on this machine that says word for word what a test wants it to say."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypeAlias

#: What a path answers: the whole answer, head and all; or a function that writes to the connection itself.
Reply: TypeAlias = "bytes | Callable[[socket.socket], None]"


def ok(body: bytes, *headers: str, length: int | None = None) -> bytes:
    """An answer with status 200; ``length`` is the promised one where that is a lie."""
    count = len(body) if length is None else length
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {count}", *headers, "", ""]).encode() + body


def status(code: str, *headers: str) -> bytes:
    """An answer without a body."""
    return "\r\n".join([f"HTTP/1.1 {code}", "Content-Length: 0", *headers, "", ""]).encode()


class Loopback:
    """Serves each path's reply, one connection a request, until the ``with`` block ends.

    :param encryption: for HTTPS.
    """

    def __init__(self, replies: Mapping[str, Reply], encryption: ssl.SSLContext | None = None) -> None:
        self.replies: dict[str, Reply] = dict(replies)
        self.requests: list[str] = []
        self._encryption = encryption
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a path here."""
        scheme = "https" if self._encryption else "http"
        return f"{scheme}://{host}:{self._listening.getsockname()[1]}{path}"

    @property
    def paths(self) -> list[str]:
        """Paths asked for so far."""
        return [request.split(" ", 2)[1] for request in self.requests]

    def __enter__(self) -> Loopback:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._listening.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._encrypted(connection) as stream:
                self._answer(stream)
        except OSError:
            connection.close()  # the client went away, which some tests are about

    def _encrypted(self, connection: socket.socket) -> socket.socket:
        return self._encryption.wrap_socket(connection, server_side=True) if self._encryption else connection

    def _answer(self, stream: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = stream.recv(65_536)
            if not piece:
                return
            head += piece
            if not head.startswith(b"G"):
                stream.sendall(status("400 Bad Request"))
                return
        self.requests.append(head.decode("latin-1"))
        reply = self.replies.get(self.paths[-1].partition("?")[0], status("404 Not Found"))
        if isinstance(reply, bytes):
            stream.sendall(reply)
        else:
            reply(stream)
