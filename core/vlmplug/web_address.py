"""Addresses in the web: taking them apart, and finding out which machines they lead to."""

from __future__ import annotations

import queue
import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, quote, urlsplit

from vlmplug.errors import MediaError

_PORTS = {"http": 80, "https": 443}
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# Reserved characters and percent signs stay: they may be written on purpose.
_KEPT = "%/:=&?~#+!$,;'@()*[]"
_FIX = "Give a complete address: https://host/path."
_LONGEST = 80


@dataclass(frozen=True)
class WebAddress:
    """An ``http:`` or ``https:`` address, ready to be asked for.

    - ``host``: without brackets, in ASCII. ``path``: with the query, quoted.
    """

    scheme: str
    host: str
    port: int
    path: str
    url: str

    @property
    def shown(self) -> str:
        """For messages: without the query, which may hold secrets, and not longer than a line."""
        text = self.url.partition("?")[0].partition("#")[0]
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def parse_web_address(url: str, where: str) -> WebAddress:
    """Takes an address apart.

    :raises MediaError: another scheme, no host, a user name or password, characters that no address has.
    """
    if any(character <= " " or character in "\\\x7f" for character in url.strip()):
        raise MediaError(f"{where}: the address holds a blank, a backslash or a control character.", _FIX)
    try:
        parts = urlsplit(url.strip())
        port, host = parts.port, _ascii(parts.hostname or "")
    except ValueError as error:
        raise MediaError(f"{where}: the address cannot be read: {error}.", _FIX) from error
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host:
        raise MediaError(f"{where}: {scheme}: addresses without host or of other kinds are not fetched.", _FIX)
    if "@" in parts.netloc:
        raise MediaError(f"{where}: the address holds a user name or password.", "Download it and give the local file.")
    return WebAddress(scheme, host, port or _PORTS[scheme], _path(parts), url.strip())


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _path(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_KEPT)
    return f"{path}?{quote(parts.query, safe=_KEPT)}" if parts.query else path


def resolve(address: WebAddress, seconds: float) -> tuple[str, ...]:
    """The IP addresses of the host, in the order in which they should be tried.

    :raises TimeoutError: name resolution took longer than ``seconds``.
    :raises OSError: there is no such host.
    """
    answers: queue.SimpleQueue[tuple[str, ...] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            answers.put(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError) as error:  # names that are too long are a UnicodeError
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    # The system's resolver cannot be interrupted; its thread may stay behind.
    threading.Thread(target=look_up, name="vlmplug-resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("name resolution") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def is_public(ip: str) -> bool:
    """Whether an IP address is one of the public internet, also where IPv6 wraps one of IPv4.

    >>> is_public("93.184.216.34"), is_public("127.0.0.1"), is_public("64:ff9b::7f00:1")
    (True, False, False)
    """
    number = ip_address(ip.partition("%")[0])
    if isinstance(number, IPv4Address):
        return number.is_global and not number.is_multicast
    wrapped = _wrapped(number)
    if wrapped is not None:
        return is_public(str(wrapped))
    return number in _GLOBAL_UNICAST and number.is_global


def _wrapped(number: IPv6Address) -> IPv4Address | None:
    if number in _NAT64:
        return IPv4Address(int(number) & 0xFFFFFFFF)
    return number.ipv4_mapped or number.sixtofour
