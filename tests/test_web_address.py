"""Addresses are taken apart by one parser, and public machines are told from all others."""

from __future__ import annotations

import socket
import time
from threading import Event
from typing import Any

import pytest

from vlmplug.errors import MediaError
from vlmplug.web_address import is_public, parse_web_address, resolve

WHERE = "images[0]"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h/x.png", ("http", "h", 80, "/x.png")),
        ("HTTPS://Example.COM", ("https", "example.com", 443, "/")),
        ("https://h:8443/a?b=c#d", ("https", "h", 8443, "/a?b=c")),
        ("http://[::1]:81/x", ("http", "::1", 81, "/x")),
        ("https://h/ä%20%C3%A4?q=ö", ("https", "h", 443, "/%C3%A4%20%C3%A4?q=%C3%B6")),
        ("https://bücher.de/", ("https", "xn--bcher-kva.de", 443, "/")),
        ("  http://h/  ", ("http", "h", 80, "/")),
    ],
)
def test_parts(url: str, parts: tuple[str, str, int, str]) -> None:
    address = parse_web_address(url, WHERE)
    assert (address.scheme, address.host, address.port, address.path) == parts


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/x",
        "file:///etc/passwd",
        "http:///x",
        "http://",
        "//h/x",
        "http://h:99999/",
        "http://h:x/",
        "http://[::1/",
        "http://user@h/",
        "http://user:secret@h/",
        "http://evil\\@h/",
        "http://h/a b",
        "http://h/a\r\nX: y",
        "http://h\x00/",
        "http://" + "ä" * 80 + ".de/",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(MediaError) as caught:
        parse_web_address(url, WHERE)
    assert caught.value.problem.startswith(WHERE)
    assert caught.value.remedy
    assert "secret" not in str(caught.value)


def test_messages_show_neither_the_query_nor_endless_paths() -> None:
    shown = parse_web_address("https://h/" + "x" * 200 + "?token=secret", WHERE).shown
    assert shown.startswith("https://h/xxx")
    assert len(shown) < 100
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("ip", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("64:ff9b::5db8:d822", True),  # 93.184.216.34
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("::ffff:127.0.0.1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::1", False),
        ("2002:7f00:1::", False),
        ("2001:db8::1", False),
        ("2001::1", False),
        ("fc00::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_public_machines(ip: str, public: bool) -> None:
    assert is_public(ip) is public


def test_names_are_resolved_to_numbers() -> None:
    assert resolve(parse_web_address("http://127.0.0.1/", WHERE), 5) == ("127.0.0.1",)
    assert set(resolve(parse_web_address("http://localhost/", WHERE), 5)) <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("number", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_every_spelling_of_an_ip_address_is_the_address(number: str) -> None:
    for ip in resolve(parse_web_address(f"http://{number}/", WHERE), 5):
        assert not is_public(ip)


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    released = Event()

    def hang(*arguments: Any, **more: Any) -> Any:
        released.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        resolve(parse_web_address("http://h/", WHERE), 0.1)
    assert time.monotonic() - start < 30
    released.set()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70 + ".invalid"])
def test_no_such_host(host: str) -> None:
    with pytest.raises(OSError):
        resolve(parse_web_address(f"http://{host}/", WHERE), 20)
