"""Whether hubs can be reached, and whether the tokens for them work. Tokens are never shown."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vlmplug.doctor.check import Check
from vlmplug.errors import OptionError
from vlmplug.hub.options import TITLES, HubName, HubOptions

_REFUSED = (401, 403)
#: Variables of the endpoint and of the token, and the path that says whose a token is.
_SETTINGS: Mapping[HubName, tuple[str, str, str]] = {
    "huggingface": ("HF_ENDPOINT", "HF_TOKEN", "/api/whoami-v2"),
    "modelscope": ("MODELSCOPE_ENDPOINT", "MODELSCOPE_API_TOKEN", "/openapi/v1/users/me"),
}
_NEEDED_TOKEN = "for repositories that ask for consent, and private ones"
_UNREACHABLE = (OSError, http.client.HTTPException)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class HubAccess:
    """How one hub is reached.

    - ``variable``: environment variable that sets ``endpoint``; ``token_variable``: the one that sets ``token``.
    - ``identity``: path below the endpoint that says whose a token is, and refuses one that is not valid.
    """

    name: str
    endpoint: str
    variable: str
    identity: str
    token_variable: str
    token: str | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The endpoint, without what may be secret in it."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


def hub_access(hub: HubName, options: HubOptions) -> HubAccess:
    """How a hub is reached, with the endpoint and the token that downloads take."""
    try:
        endpoint = options.endpoint(hub)
    except OptionError:
        endpoint = ""
    variable, token_variable, identity = _SETTINGS[hub]
    return HubAccess(TITLES[hub], endpoint, variable, identity, token_variable, options.token(hub))


def check_hub(hub: HubAccess, seconds: float) -> Iterator[Check]:
    """Whether it answers, and whether it takes the token.

    :param seconds: the longest wait for each step of a connection.
    """
    needed = "to download checkpoints"
    if not _is_address(hub.endpoint):
        found = f"{hub.variable} is no address of a hub"
        yield Check(hub.name, "problem", found, needed, f"Set {hub.variable} to https://… or unset it.")
        return
    try:
        code = _status(hub.endpoint, {}, seconds)
    except _UNREACHABLE as error:
        found = f"{hub.host} cannot be reached: {_why(error, seconds)}"
        fix = f"Check network and proxy, set {hub.variable} to a mirror, or work offline with what is on the disk."
        yield Check(hub.name, "warning", found, needed, fix)
        yield _untried_token_row(hub, "not tried, the hub cannot be reached")
        return
    if code >= 500:
        yield Check(hub.name, "warning", f"{hub.host} answers with error {code}", needed, "Try again later.")
    else:
        yield Check(hub.name, "ok", f"{hub.host} answers", needed)
    yield _token_row(hub, seconds)


def check_hub_offline(hub: HubAccess) -> Iterator[Check]:
    """Without asking anything of anybody."""
    yield Check(hub.name, "note", "not tried, offline")
    yield _untried_token_row(hub, "not tried, offline")


def _untried_token_row(hub: HubAccess, why: str) -> Check:
    if not hub.token:
        return Check(f"{hub.name} token", "ok", "none", _NEEDED_TOKEN)
    return Check(f"{hub.name} token", "note", f"there is one; {why}", _NEEDED_TOKEN)


def _token_row(hub: HubAccess, seconds: float) -> Check:
    subject = f"{hub.name} token"
    if not hub.token:
        return Check(subject, "ok", "none", _NEEDED_TOKEN)
    if not _is_safe(hub.endpoint):
        return Check(subject, "note", "there is one; not sent over http", _NEEDED_TOKEN)
    if not (hub.token.isascii() and hub.token.isprintable()) or " " in hub.token:
        fix = f"Set {hub.token_variable} again, to the token alone."
        return Check(subject, "problem", "there is one, with characters that no token has", _NEEDED_TOKEN, fix)
    try:
        code = _status(hub.endpoint.rstrip("/") + hub.identity, {"Authorization": f"Bearer {hub.token}"}, seconds)
    except _UNREACHABLE:
        return Check(subject, "warning", "there is one; no answer when it was tried", _NEEDED_TOKEN, "Try again.")
    if code in _REFUSED:
        fix = f"Make a new token on the hub's page, and set {hub.token_variable}."
        return Check(subject, "problem", f"there is one; the hub refuses it ({code})", _NEEDED_TOKEN, fix)
    if code != 200:
        return Check(subject, "note", f"there is one; the hub does not say whether it is valid ({code})", _NEEDED_TOKEN)
    return Check(subject, "ok", "there is one, and the hub takes it", _NEEDED_TOKEN)


def _status(address: str, headers: dict[str, str], seconds: float) -> int:
    """The code that an address answers with. No redirection is followed, so that no token goes astray."""
    request = urllib.request.Request(address, headers={"User-Agent": "vlmplug", **headers})
    try:
        with urllib.request.build_opener(_NoRedirection).open(request, timeout=seconds) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """None: the redirection is the answer."""


def _why(error: BaseException, seconds: float) -> str:
    """In words that hold nothing of the request."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer within {seconds:g} s"
    if isinstance(reason, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(reason, ssl.SSLError):
        return f"its certificate is not trusted ({reason.reason or 'TLS'})"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _is_safe(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    return parts.scheme == "https" or parts.hostname in _LOOPBACK
