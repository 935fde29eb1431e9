"""Downloads end in time, within their size, and only where they may lead; everything else is an error that says why."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.loopback import Loopback, Reply, ok, status
from vlmplug.download import download
from vlmplug.errors import MediaError
from vlmplug.media import open_picture
from vlmplug.media_policy import MediaPolicy

WHERE = "images[3]"
BODY = bytes(range(256)) * 40
LIMIT = 1 << 20
MEBIBYTE = 1 << 20

Fetch = Callable[..., bytes]


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback({"/x": ok(BODY)}) as made:
        yield made


def fetch(server: Loopback, path: str, limit: int = LIMIT, **policy: Any) -> bytes:
    return download(server.url(path), WHERE, limit, MediaPolicy(**policy))


def refusal(server: Loopback, path: str, limit: int = LIMIT, **policy: Any) -> str:
    """What the error says."""
    with pytest.raises(MediaError) as caught:
        fetch(server, path, limit, **policy)
    assert caught.value.problem.startswith(f"{WHERE}: ")
    assert caught.value.remedy
    return caught.value.problem


def slowly(*pieces: bytes, pause: float = 0.1) -> Callable[[socket.socket], None]:
    def write(stream: socket.socket) -> None:
        for piece in pieces:
            stream.sendall(piece)
            time.sleep(pause)

    return write


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    def write(stream: socket.socket) -> None:
        stream.sendall(head)
        while True:
            stream.sendall(piece)
            time.sleep(pause)

    return write


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        ok(BODY),
        ok(BODY, "Content-Type: text/html"),
        UNTIL_CLOSED + BODY,
        CHUNKED + b"%x\r\n" % 240 + BODY[:240] + b"\r\n%x;ext=1\r\n" % 10_000 + BODY[240:] + b"\r\n0\r\n\r\n",
        slowly(ok(BODY)[:20], ok(BODY)[20:50], ok(BODY)[50:900], ok(BODY)[900:]),
    ],
    ids=["plain", "wrong type", "until the connection is closed", "chunks", "slow but in time"],
)
def test_the_body_arrives(server: Loopback, reply: Reply) -> None:
    server.replies["/x"] = reply
    assert fetch(server, "/x") == BODY


def test_what_is_sent(server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    fetch(server, "/x?q=ä")
    (request,) = server.requests
    first, *headers = request.strip().split("\r\n")
    assert first == "GET /x?q=%C3%A4 HTTP/1.1"
    names = {header.partition(":")[0] for header in headers}
    assert names == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


class TestRedirects:
    @pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
    def test_are_followed(self, server: Loopback, code: int) -> None:
        server.replies["/a/b"] = status(f"{code} Elsewhere", "Location: ../x?1#2")
        assert fetch(server, "/a/b") == BODY
        assert server.paths == ["/a/b", "/x?1"]

    def test_up_to_a_limit(self, server: Loopback) -> None:
        for number in range(9):
            server.replies[f"/{number}"] = status("302 Found", f"Location: /{number + 1}")
        server.replies["/3"] = ok(BODY)
        assert fetch(server, "/0", redirects=3) == BODY
        assert "more than 2 redirects" in refusal(server, "/0", redirects=2)
        assert len(server.paths) == 4 + 3

    def test_in_a_circle(self, server: Loopback) -> None:
        server.replies["/circle"] = status("302 Found", "Location: /circle")
        assert "more than 5 redirects" in refusal(server, "/circle")

    @pytest.mark.parametrize(
        ("location", "says"),
        [
            ("", "HTTP 302 without a Location"),
            ("file:///etc/passwd", "other kinds are not fetched"),
            ("ftp://h/x", "other kinds are not fetched"),
            ("http://user:secret@127.0.0.1/", "user name or password"),
            ("http://[broken", "Invalid IPv6 URL"),
        ],
    )
    def test_to_nowhere(self, server: Loopback, location: str, says: str) -> None:
        server.replies["/x"] = status("302 Found", *([f"Location: {location}"] if location else []))
        assert says in refusal(server, "/x")

    def test_from_a_public_machine_to_one_that_is_not_are_refused(
        self, server: Loopback, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vlmplug.download.resolve", lambda address, seconds: ("127.0.0.1",))
        answers = iter([True, False])
        monkeypatch.setattr("vlmplug.download.is_public", lambda ip: next(answers))
        server.replies["/go"] = status("302 Found", "Location: /x")
        assert "leads to a machine that is not public" in refusal(server, "/go")
        assert server.paths == ["/go"]


class TestSize:
    def test_the_limit_itself_is_allowed(self, server: Loopback) -> None:
        assert fetch(server, "/x", len(BODY)) == BODY
        assert "more than 10239 bytes" in refusal(server, "/x", len(BODY) - 1)
        assert "more than 9 bytes" in refusal(server, "/x", download_bytes=9)

    def test_a_promise_of_too_much_is_refused_before_it_comes(self, server: Loopback) -> None:
        server.replies["/x"] = ok(b"", length=10**10)
        assert f"more than {LIMIT} bytes" in refusal(server, "/x", download_seconds=5)

    @pytest.mark.parametrize(
        ("head", "piece"),
        [(UNTIL_CLOSED, b"x" * 65_536), (CHUNKED, b"10000\r\n" + b"x" * 65_536 + b"\r\n")],
        ids=["until closed", "chunks"],
    )
    def test_an_endless_body_fills_no_memory(self, server: Loopback, head: bytes, piece: bytes) -> None:
        server.replies["/x"] = endless(head, piece)
        tracemalloc.start()
        try:
            assert f"more than {LIMIT} bytes" in refusal(server, "/x")
            assert tracemalloc.get_traced_memory()[1] < 4 * MEBIBYTE
        finally:
            tracemalloc.stop()

    def test_fewer_bytes_than_promised(self, server: Loopback) -> None:
        server.replies["/x"] = ok(BODY, length=len(BODY) + 7)
        assert "it ended after 10240 of 10247 bytes" in refusal(server, "/x")

    def test_compressed_bodies_are_not_unpacked(self, server: Loopback) -> None:
        server.replies["/x"] = ok(BODY, "Content-Encoding: gzip")
        assert "compresses" in refusal(server, "/x")


class TestTime:
    @pytest.mark.parametrize(
        "reply",
        [
            lambda stream: time.sleep(30),
            endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.05),
            endless(b"HTTP/1.1 200 ", b"O", 0.05),
            endless(ok(b"", length=10_000), b"x", 0.05),
            endless(CHUNKED, b"1\r\nx\r\n", 0.05),
        ],
        ids=["silence", "endless head", "endless line", "drops", "drops in chunks"],
    )
    def test_one_deadline_for_everything(self, server: Loopback, reply: Reply) -> None:
        server.replies["/x"] = reply
        start = time.monotonic()
        assert "no complete answer within 0.4 s" in refusal(server, "/x", download_seconds=0.4)
        assert 0.3 < time.monotonic() - start < 15

    def test_redirects_share_it(self, server: Loopback) -> None:
        server.replies["/x"] = slowly(b"", status("302 Found", "Location: /x"), pause=0.2)
        start = time.monotonic()
        assert "no complete answer within 0.5 s" in refusal(server, "/x", download_seconds=0.5, redirects=100)
        assert time.monotonic() - start < 15


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (status("404 Not Found"), "HTTP 404 Not Found"),
        (status("500 Oops"), "HTTP 500 Oops"),
        (status("204 No Content"), "HTTP 204"),
        (status("401 Unauthorized"), "HTTP 401"),
        (b"", "no valid HTTP"),
        (b"SSH-2.0-x\r\n", "no valid HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "no valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "no valid HTTP"),
        (CHUNKED + b"zz\r\n", "no valid HTTP|invalid literal"),
        (CHUNKED + b"5\r\nab", "no valid HTTP"),
    ],
    ids=lambda value: value[:20].decode() if isinstance(value, bytes) else "",
)
def test_answers_that_are_no_file(server: Loopback, reply: bytes, says: str) -> None:
    server.replies["/x"] = reply
    assert re.search(says, refusal(server, "/x?token=secret"))
    assert "secret" not in refusal(server, "/x?token=secret")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(MediaError, match="refused"):
        download(f"http://127.0.0.1:{port}/", WHERE, LIMIT, MediaPolicy())


def test_the_next_address_of_a_name_is_tried(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmplug.download.resolve", lambda address, seconds: ("127.0.0.2", "127.0.0.1"))
    assert fetch(server, "/x") == BODY


class TestPublicOnly:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"])
    def test_a_machine_that_is_not_public_is_not_connected_to(self, server: Loopback, host: str) -> None:
        with pytest.raises(MediaError, match="leads to a machine that is not public") as caught:
            download(server.url("/x", host), WHERE, LIMIT, MediaPolicy(addresses="public"))
        assert caught.value.remedy == "Download it and give the local file."
        assert server.requests == []

    def test_one_private_address_of_a_name_is_enough(self, server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("vlmplug.download.resolve", lambda address, seconds: ("93.184.216.34", "127.0.0.1"))
        assert "not public" in refusal(server, "/x", addresses="public")
        assert server.requests == []

    def test_a_name_is_resolved_once(self, server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
        """A second answer, which leads elsewhere, changes nothing: the address that was checked is connected to."""
        theirs = socket.getaddrinfo
        answers = iter(["127.0.0.1", "127.0.0.2", "127.0.0.2"])

        def rebinding(host: Any, *arguments: Any, **more: Any) -> Any:
            return theirs(next(answers) if host == "rebinding.test" else host, *arguments, **more)

        checked: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        monkeypatch.setattr("vlmplug.download.is_public", lambda ip: not checked.append(ip))
        body = download(server.url("/x", "rebinding.test"), WHERE, LIMIT, MediaPolicy(addresses="public"))
        assert (body, checked) == (BODY, ["127.0.0.1"])
        assert next(answers) == "127.0.0.2"
        assert "Host: rebinding.test:" in server.requests[0]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``localhost`` and its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


class TestEncryption:
    @pytest.fixture
    def encrypted(self, certificate: Path) -> Iterator[Loopback]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with Loopback({"/x": ok(BODY)}, context) as server:
            yield server

    def test_a_certificate_that_somebody_vouches_for(
        self, encrypted: Loopback, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate))
        assert download(encrypted.url("/x", "localhost"), WHERE, LIMIT, MediaPolicy()) == BODY
        assert "Host: localhost" in encrypted.requests[0]

    def test_one_that_nobody_vouches_for(self, encrypted: Loopback) -> None:
        with pytest.raises(MediaError, match="the certificate is not valid"):
            download(encrypted.url("/x", "localhost"), WHERE, LIMIT, MediaPolicy())

    def test_one_of_another_machine(
        self, encrypted: Loopback, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate))
        assert "the certificate is not valid" in refusal(encrypted, "/x")
        assert encrypted.requests == []

    def test_no_encryption_at_all(self, server: Loopback) -> None:
        with pytest.raises(MediaError, match=r"https://127\.0\.0\.1:\d+/x: .*(SSL|wrong version)"):
            download(server.url("/x").replace("http:", "https:"), WHERE, LIMIT, MediaPolicy())


class TestPictures:
    def test_by_address(self, server: Loopback) -> None:
        file = io.BytesIO()
        Image.new("RGB", (5, 4), "red").save(file, "PNG")
        server.replies["/x"] = ok(file.getvalue(), "Content-Type: application/octet-stream")
        assert open_picture(server.url("/x"), WHERE).image.size == (5, 4)
        server.replies["/x"] = ok(file.getvalue()[:-20])
        with pytest.raises(MediaError, match=r"images\[3\]: the picture is broken or cut short"):
            open_picture(server.url("/x"), WHERE)

    @pytest.mark.parametrize("body", [b"<html>not found</html>", b""], ids=["a page", "nothing"])
    def test_what_is_none(self, server: Loopback, body: bytes) -> None:
        server.replies["/x"] = ok(body, "Content-Type: image/png")
        with pytest.raises(MediaError, match=r"images\[3\]: (not a picture|there is not a single byte)"):
            open_picture(server.url("/x"), WHERE)


def test_downloads_leave_no_thread_and_no_socket_behind(server: Loopback) -> None:
    before = threading.active_count()
    for _ in range(20):
        fetch(server, "/x")
        refusal(server, "/missing")
    time.sleep(0.1)
    assert threading.active_count() <= before + 1
