"""Fetching media over HTTP: no proxy, no cookies, no credentials; bounded in size, in time, and in where it leads.

The name of a host is resolved once, and the machine that is connected to is the one whose address was checked.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urljoin

from vlmplug.errors import MediaError
from vlmplug.media_policy import MediaPolicy
from vlmplug.web_address import WebAddress, is_public, parse_web_address, resolve

_PIECE = 1 << 16
_OK = 200
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {"User-Agent": "vlmplug", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
_TAKE_FILE = "Download it and give the local file."


def download(url: str, where: str, limit: int, policy: MediaPolicy) -> bytes:
    """The body at an ``http:`` or ``https:`` address; what type the server says it is makes no difference.

    :raises MediaError: the policy forbids it, no answer in time, another status than 200, too many redirects, more than
        ``limit`` (or the policy's) bytes, or fewer than the server promised.
    """
    fetch = _Fetch(where, min(limit, policy.download_bytes), policy)
    address = parse_web_address(url, where)
    seen_public = False
    for _ in range(policy.redirects + 1):
        with fetch.errors(address):
            seen_public, target = fetch.next_hop(address, seen_public)
        if isinstance(target, bytes):
            return target
        with fetch.errors(address):
            target = urljoin(address.url, target)
        address = parse_web_address(target, where)
    raise MediaError(f"{where}: {address.shown}: more than {policy.redirects} redirects.", _TAKE_FILE)


@dataclass(frozen=True)
class _Fetch:
    """One download: its limits, and how it names its errors."""

    where: str
    limit: int
    policy: MediaPolicy
    end: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "end", time.monotonic() + self.policy.download_seconds)

    def next_hop(self, address: WebAddress, seen_public: bool) -> tuple[bool, bytes | str]:
        """Whether this chain of redirects has seen a public machine by now; and the body, or where to go on."""
        ips = resolve(address, self.left())
        public = all(map(is_public, ips))
        if not public and (seen_public or self.policy.addresses == "public"):
            raise MediaError(f"{self.where}: {address.shown} leads to a machine that is not public.", _TAKE_FILE)
        with self._connected(address, ips) as sock:
            return seen_public or public, self._exchange(address, sock)

    @contextmanager
    def errors(self, address: WebAddress) -> Iterator[None]:
        """Turns what sockets and HTTP raise into errors about this address."""
        try:
            yield
        except TimeoutError as error:
            raise self._error(address, f"no complete answer within {self.policy.download_seconds:g} s") from error
        except ssl.SSLCertVerificationError as error:
            raise self._error(address, f"the certificate is not valid ({error.verify_message})") from error
        except http.client.HTTPException as error:
            raise self._error(address, f"the answer is no valid HTTP ({type(error).__name__})") from error
        except (OSError, ValueError) as error:  # a chunk whose length is no number is a ValueError
            raise self._error(address, str(getattr(error, "strerror", None) or error)) from error

    def left(self) -> float:
        """Seconds until the deadline.

        :raises TimeoutError: there are none.
        """
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def _error(self, address: WebAddress, problem: str) -> MediaError:
        return MediaError(f"{self.where}: {address.shown}: {problem}.", "Check the address, or download it yourself.")

    @contextmanager
    def _connected(self, address: WebAddress, ips: tuple[str, ...]) -> Iterator[socket.socket]:
        with self._first_that_answers(address, ips) as plain:
            if address.scheme == "http":
                yield plain
                return
            plain.settimeout(self.left())
            with ssl.create_default_context().wrap_socket(plain, server_hostname=address.host) as encrypted:
                yield encrypted

    def _first_that_answers(self, address: WebAddress, ips: tuple[str, ...]) -> socket.socket:
        for ip in ips[:-1]:
            try:
                return socket.create_connection((ip, address.port), self.left() / 2)
            except OSError:
                continue
        return socket.create_connection((ips[-1], address.port), self.left())

    def _exchange(self, address: WebAddress, sock: socket.socket) -> bytes | str:
        response = _asked(address, _TimedSocket(sock, self))
        if response.status in _REDIRECTS:
            location = response.getheader("Location")
            if not location:
                raise self._error(address, f"HTTP {response.status} without a Location")
            return location
        if response.status != _OK:
            raise self._error(address, f"HTTP {response.status} {response.reason}".rstrip())
        if response.getheader("Content-Encoding", "identity").lower() != "identity":
            raise self._error(address, "the server compresses it, though it was asked not to")
        return self._body(address, response)

    def _body(self, address: WebAddress, response: http.client.HTTPResponse) -> bytes:
        promised = response.length
        if promised is not None and promised > self.limit:
            raise self._too_large(address)
        content = bytearray()
        while piece := response.read1(_PIECE):
            content += piece
            if len(content) > self.limit:
                raise self._too_large(address)
        if promised is not None and len(content) != promised:
            raise self._error(address, f"it ended after {len(content)} of {promised} bytes")
        return bytes(content)

    def _too_large(self, address: WebAddress) -> MediaError:
        return MediaError(f"{self.where}: {address.shown}: more than {self.limit} bytes.", "Give a smaller file.")


def _asked(address: WebAddress, sock: _TimedSocket) -> http.client.HTTPResponse:
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.host, address.port)
    connection.sock = cast(socket.socket, sock)  # connected already, so that it does not resolve the name again
    connection.request("GET", address.path, headers=_HEADERS)
    return connection.getresponse()


class _TimedSocket:
    """What http.client needs of a socket; no single wait goes beyond the deadline of the whole download."""

    def __init__(self, sock: socket.socket, fetch: _Fetch) -> None:
        self._sock, self._fetch = sock, fetch

    def sendall(self, content: bytes) -> None:
        """Sends everything."""
        self._sock.settimeout(self._fetch.left())
        self._sock.sendall(content)

    def makefile(self, mode: str) -> io.BufferedReader:
        """The bytes that come in; ``mode`` is always ``rb``."""
        return io.BufferedReader(_TimedReader(self._sock, self._fetch), _PIECE)

    def close(self) -> None:
        """Nothing: whoever connected it closes it, after the body was read."""


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, fetch: _Fetch) -> None:
        super().__init__()
        self._sock, self._fetch = sock, fetch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._fetch.left())
        return self._sock.recv_into(buffer)
