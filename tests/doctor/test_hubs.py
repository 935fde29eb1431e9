"""Hubs that answer, refuse, redirect, hang or are not there; and tokens that nobody gets to see."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from vlmplug.doctor.check import Check
from vlmplug.doctor.hubs import HubAccess, check_hub, check_hub_offline, hub_access
from vlmplug.hub.options import HubOptions, Site

SECRET = "hf_thisIsSecret"


class HubServer(ThreadingHTTPServer):
    """Answers each path with a code, and keeps who asked with which token."""

    def __init__(self, codes: dict[str, int], location: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes, self.location = codes, location
        self.seen: list[tuple[str, str | None]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Authorization"]))
        self.send_response(self.server.codes.get(self.path, 404))
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(codes: dict[str, int], location: str = "") -> Iterator[HubServer]:
    with HubServer(codes, location) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def hub(endpoint: str, token: str | None = None) -> HubAccess:
    return HubAccess("Hub", endpoint, "HF_ENDPOINT", "/me", "HF_TOKEN", token)


def checked(access: HubAccess, seconds: float = 5) -> list[Check]:
    rows = list(check_hub(access, seconds))
    if access.token:
        assert access.token not in repr(rows)
    return rows


@pytest.mark.parametrize(
    ("code", "status"), [(200, "ok"), (302, "ok"), (401, "ok"), (404, "ok"), (500, "warning"), (503, "warning")]
)
def test_a_hub_that_answers(code: int, status: str) -> None:
    with serving({"/": code, "": code}) as server:
        reached, token = checked(hub(server.address))
    assert reached.status == status
    assert (token.status, token.found) == ("ok", "none")
    assert all(authorization is None for _, authorization in server.seen)


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (200, "ok", "takes it"),
        (401, "problem", "refuses it (401)"),
        (403, "problem", "refuses it (403)"),
        (404, "note", "does not say"),
        (500, "note", "does not say"),
    ],
)
def test_a_token_is_tried(code: int, status: str, words: str) -> None:
    with serving({"/": 200, "/me": code}) as server:
        _, token = checked(hub(server.address, SECRET))
    assert (token.status, words in token.found) == (status, True)
    assert ("/me", f"Bearer {SECRET}") in server.seen


def test_a_token_does_not_follow_a_redirection() -> None:
    with serving({"/me": 200}) as other, serving({"/": 200, "/me": 302}, f"{other.address}/me") as server:
        _, token = checked(hub(server.address, SECRET))
    assert token.status == "note"
    assert other.seen == []


def test_a_token_is_not_sent_over_an_open_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"/": 200, "http://hub.example.org": 200, "http://hub.example.org/": 200}) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        reached, token = checked(hub("http://hub.example.org", SECRET))
    assert reached.status == "ok"
    assert (token.status, "not sent over http" in token.found) == ("note", True)
    assert proxy.seen and not any(authorization for _, authorization in proxy.seen)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "snow☃"])
def test_a_token_that_is_none(token: str) -> None:
    with serving({"/": 200, "/me": 200}) as server:
        _, row = checked(hub(server.address, token))
    assert row.status == "problem"
    assert not any(authorization for _, authorization in server.seen)


def test_a_hub_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        row, _ = checked(hub(f"http://127.0.0.1:{silent.getsockname()[1]}"), 0.3)
    assert (row.status, "no answer within 0.3 s" in row.found) == ("warning", True)


def test_a_hub_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    row, token = checked(hub(f"http://127.0.0.1:{port}", SECRET))
    assert (row.status, "refused" in row.found) == ("warning", True)
    assert (token.status, token.found) == ("note", "there is one; not tried, the hub cannot be reached")
    assert "HF_ENDPOINT" in row.fix


def test_a_hub_without_a_name() -> None:
    row, _ = checked(hub("https://no-such-host.invalid"))
    assert row.status == "warning"


def test_a_hub_that_speaks_no_tls() -> None:
    with serving({"/": 200}) as server:
        row, _ = checked(hub(server.address.replace("http:", "https:")))
    assert (row.status, "certificate" in row.found) == ("warning", True)


@pytest.mark.parametrize(
    "endpoint", ["", "hub.example.org", "ftp://hub.example.org", "https://", "http://[::1", "https://a:b"]
)
def test_an_endpoint_that_is_no_address(endpoint: str) -> None:
    (row,) = checked(hub(endpoint, SECRET))
    assert (row.status, row.found) == ("problem", "HF_ENDPOINT is no address of a hub")


def test_passwords_in_an_endpoint_stay_there() -> None:
    access = hub("https://user:password@hub.example.org:8443/path")
    assert access.host == "https://hub.example.org:8443"


def test_a_token_is_in_no_representation() -> None:
    assert SECRET not in repr(hub("https://hub.example.org", SECRET))


@pytest.mark.parametrize(("token", "words"), [(None, "none"), (SECRET, "there is one; not tried")])
def test_offline_nothing_is_asked(token: str | None, words: str) -> None:
    reached, row = check_hub_offline(hub("http://127.0.0.1:1", token))
    assert (reached.status, "offline" in reached.found) == ("note", True)
    assert row.found.startswith(words)


def test_access_is_that_of_downloads() -> None:
    site = Site(endpoint="https://mirror.example.org", token=SECRET)
    options = HubOptions(huggingface=site, modelscope=replace(site, endpoint="nonsense", token=""))
    access = hub_access("huggingface", options)
    assert (access.endpoint, access.token) == ("https://mirror.example.org", SECRET)
    broken = hub_access("modelscope", options)
    assert (broken.name, broken.endpoint, broken.token) == ("ModelScope", "", None)
