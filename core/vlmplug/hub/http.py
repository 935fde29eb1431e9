"""Requests to one hub: its secrets stay with it, nothing hangs, and every failure is a typed error."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import IO, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from vlmplug.hub.patience import Attempts, Transient
from vlmplug.hub.refusal import Asked, Refusal

#: Bytes of the longest listing that is read; those of model repositories take some kilobytes.
MAX_LISTING_BYTES = 64_000_000

_MAX_REFUSAL_BYTES = 64_000


@dataclass(frozen=True)
class Answer:
    """An answer with content.

    - ``start``: which byte of the file the content begins with. ``size``: bytes of the whole file; None: unknown.
    """

    start: int
    size: int | None
    _content: http.client.HTTPResponse

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, as soon as there are any; none at the end.

        :raises Transient: the connection was cut, or nothing came for too long.
        """
        with _network():
            return self._content.read1(size)


class HubConnection:
    """Asks one hub. Its secrets are shown to its own host only, wherever it redirects to.

    :param secrets: headers with tokens.
    """

    def __init__(self, endpoint: str, secrets: Mapping[str, str], timeout: float) -> None:
        self._origin = origin(endpoint)
        self._secrets, self._timeout = dict(secrets), timeout
        self._agent = f"vlmplug/{version('vlmplug')}"
        self._opener: OpenerDirector = build_opener(HTTPSHandler(context=_trust()), _Redirects(self._origin))
        self._open: set[int] = set()
        self._changing = threading.Lock()

    @property
    def identified(self) -> bool:
        """Whether it shows a token."""
        return bool(self._secrets)

    def json(self, url: str, asked: Asked, attempts: Attempts) -> Any:
        """The JSON document at an address, tried again where that may help.

        :raises HubError: the hub does not give it.
        """
        return attempts.run(lambda: self._json(url, asked))

    @contextmanager
    def content(self, url: str, asked: Asked, start: int = 0) -> Iterator[Answer]:
        """The content at an address from byte ``start`` on, if the hub can do that.

        :raises HubError: the hub refuses. :raises Transient: another try may help.
        """
        with self._opened(url, asked, start) as response, self._registered(response.fileno()):
            yield _answer(response, start)

    def cut(self) -> None:
        """Ends all answers that are under way; whoever reads one gets a `Transient`."""
        with self._changing:
            for descriptor in self._open:
                with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                    connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _registered(self, descriptor: int) -> Iterator[None]:
        with self._changing:
            self._open.add(descriptor)
        try:
            yield
        finally:
            with self._changing:
                self._open.discard(descriptor)

    def _json(self, url: str, asked: Asked) -> Any:
        with self._opened(url, asked, 0) as response:
            with _network():
                content = response.read(MAX_LISTING_BYTES + 1)
            try:
                if len(content) > MAX_LISTING_BYTES:
                    raise ValueError(f"it is longer than {MAX_LISTING_BYTES:,} bytes")
                return json.loads(content)
            except (ValueError, RecursionError) as error:
                raise asked.nonsense(f"its listing cannot be read: {error}") from error

    @contextmanager
    def _opened(self, url: str, asked: Asked, start: int) -> Iterator[http.client.HTTPResponse]:
        try:
            with _network():
                response = self._opener.open(self._request(url, start), timeout=self._timeout)
        except HTTPError as error:
            with error:
                refusal = Refusal(error.code, error.headers, _beginning(error))
            raise refusal.error(asked, self.identified) from error
        with response:
            yield cast(http.client.HTTPResponse, response)

    def _request(self, url: str, start: int) -> Request:
        request = Request(url, headers={"User-Agent": self._agent, "Accept-Encoding": "identity"})
        if start:
            request.add_header("Range", f"bytes={start}-")
        for name, value in self._secrets.items():
            request.add_unredirected_header(name, value)
        return request


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address: who may see a secret that is meant for it."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


class _Redirects(HTTPRedirectHandler):
    """Follows a hub to other hosts, without its secrets and never from https to http."""

    http_error_308 = HTTPRedirectHandler.http_error_302

    def __init__(self, home: tuple[str, str, int | None]) -> None:
        self._home = home

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        """The request to the next host."""
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (scheme == "http" and urlsplit(req.full_url).scheme == "https"):
            raise URLError(f"it redirects to {scheme or 'nowhere'}, which is not secure")
        # Python 3.10 does not know 308, which is 307 for good.
        known = 307 if code == 308 else code
        following = super().redirect_request(req, fp, known, msg, headers, newurl)
        if following is not None and origin(req.full_url) == origin(newurl) == self._home:
            for name, value in req.unredirected_hdrs.items():
                if name.lower() in ("authorization", "cookie"):
                    following.add_unredirected_header(name, value)
        return following


def _answer(response: http.client.HTTPResponse, start: int) -> Answer:
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdecimal() else None
    if response.status != http.client.PARTIAL_CONTENT:
        return Answer(0, size, response)
    span, _, whole = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if span.partition("-")[0] != str(start):
        raise Transient(f"byte {start} was asked for, and {span[:40] or 'something else'} came", restart=True)
    return Answer(start, int(whole) if whole.isdecimal() else None, response)


@contextmanager
def _network() -> Iterator[None]:
    try:
        yield
    except HTTPError:
        raise
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise Transient(f"its certificate fails: {error.reason.verify_message}", hopeless=True) from error
        raise Transient(_reason(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise Transient(_reason(error)) from error


def _reason(error: BaseException | str) -> str:
    if isinstance(error, TimeoutError):
        return "nothing came for too long"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _beginning(error: HTTPError) -> bytes:
    try:
        return error.read(_MAX_REFUSAL_BYTES)
    except (OSError, http.client.HTTPException):
        return b""


def _trust() -> ssl.SSLContext:
    """The system's certificates, and those of certifi where it is installed: some Pythons come without any."""
    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context
