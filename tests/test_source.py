"""Bytes come from regular files, memory and binary files, within a limit; all else is a clear error."""

from __future__ import annotations

import io
import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlmplug.errors import MediaError
from vlmplug.media_policy import MediaPolicy
from vlmplug.source import is_local, local_file, read_bytes

WHERE = "messages[0].parts[1]"
LIMIT = 100


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a file.bin"
    path.write_bytes(b"content")
    return path


@pytest.mark.parametrize(
    "given",
    [lambda p: p, str, lambda p: p.read_bytes(), lambda p: bytearray(p.read_bytes()), lambda p: p.open("rb")],
)
def test_same_bytes_from_every_source(file: Path, given: Callable[[Path], Any]) -> None:
    assert read_bytes(given(file), WHERE, LIMIT) == b"content"


def test_an_open_file_is_read_from_where_it_stands_and_stays_open() -> None:
    stream = io.BytesIO(b"head and tail")
    stream.seek(9)
    assert read_bytes(stream, WHERE, LIMIT) == b"tail"
    assert not stream.closed


def test_a_symbolic_link_is_followed(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert read_bytes(link, WHERE, LIMIT) == b"content"


ADDRESSES = ["http://h/x.png", "HTTPS://h/x", "ftp://h/x", "data:image/png;base64,AAAA", "s3://b/k"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_no_file(address: str) -> None:
    assert not is_local(address)
    with pytest.raises(MediaError, match="names no file of this machine") as caught:
        local_file(address, WHERE)
    assert caught.value.problem.startswith(WHERE)


@pytest.mark.parametrize("name", ["a/b.png", "C:\\a.png", "c://a.png", "", "datax:y", Path("data:x")], ids=str)
def test_everything_else_is_one(name: Any) -> None:
    assert is_local(name)


def test_a_long_data_url_is_not_repeated_in_the_message() -> None:
    with pytest.raises(MediaError) as caught:
        local_file("data:image/png;base64," + "A" * 100_000, WHERE)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("form", ["file://{}", "FILE://localhost{}", "file:{}"])
def test_a_file_by_its_address(file: Path, form: str) -> None:
    address = form.format(str(file).replace(" ", "%20"))
    assert is_local(address)
    assert read_bytes(address, WHERE, LIMIT) == b"content"


@pytest.mark.parametrize("address", ["file://server/share/x", "file:///x?y", "file:///x#y", "file://[x"])
def test_file_addresses_that_name_no_file_here(address: str) -> None:
    with pytest.raises(MediaError, match=r"names no file of this machine|cannot be read") as caught:
        read_bytes(address, WHERE, LIMIT)
    assert "file:///folder/picture.png" in caught.value.remedy


@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
def test_the_path_of_an_address_with_a_drive() -> None:
    with pytest.raises(MediaError, match=r"'C:/x\.png' cannot be read"):
        read_bytes("file:///C:/x.png", WHERE, LIMIT)


@pytest.mark.parametrize("address", ["ftp://h/x", "s3://b/k", "gopher://h"])
def test_other_kinds_of_addresses_are_not_read(address: str) -> None:
    with pytest.raises(MediaError, match=f"{address.partition(':')[0]}: addresses are not read"):
        read_bytes(address, WHERE, LIMIT)


def test_a_data_url_is_read_within_the_limit() -> None:
    assert read_bytes("data:;base64,Y29udGVudA==", WHERE, LIMIT) == b"content"
    with pytest.raises(MediaError, match="more than 3 bytes"):
        read_bytes("data:;base64,Y29udGVudA==", WHERE, 3)


class TestPolicy:
    def test_without_local_files_the_answer_does_not_tell_whether_one_exists(self, file: Path) -> None:
        policy = MediaPolicy(local_files=False)
        said = set()
        for source in (file, str(file), f"file://{str(file).replace(' ', '%20')}", file.with_name("missing")):
            with pytest.raises(MediaError, match="files of this machine are not read here") as caught:
                read_bytes(source, WHERE, LIMIT, policy)
            said.add(str(caught.value))
        assert len(said) == 1
        assert read_bytes(b"content", WHERE, LIMIT, policy) == b"content"

    def test_without_addresses_nothing_is_fetched_but_data_are_read(self) -> None:
        policy = MediaPolicy(addresses="none")
        with pytest.raises(MediaError, match="addresses are not fetched here"):
            read_bytes("http://localhost:1/x", WHERE, LIMIT, policy)
        assert read_bytes("data:,content", WHERE, LIMIT, policy) == b"content"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "missing.png", "No such file"),
        (lambda folder: folder, "is a directory"),
        (lambda folder: "", "the path is empty"),
        (lambda folder: "\0", "cannot be read"),
        (lambda folder: "x" * 5000, "cannot be read"),
    ],
    ids=["missing", "directory", "empty name", "null character", "long name"],
)
def test_names_that_are_no_file(tmp_path: Path, make: Callable[[Path], Any], says: str) -> None:
    with pytest.raises(MediaError, match=says) as caught:
        read_bytes(make(tmp_path), WHERE, LIMIT)
    assert caught.value.problem.startswith(WHERE)
    assert caught.value.remedy


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of POSIX")
def test_pipes_sockets_and_devices_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        server.bind("socket")
        for name in (tmp_path / "pipe", tmp_path / "socket", "/dev/zero"):
            with pytest.raises(MediaError, match="pipe, a device or a socket"):
                read_bytes(name, WHERE, LIMIT)


@pytest.mark.parametrize("given", [b"", io.BytesIO(), bytearray()])
def test_nothing_in_it(given: Any) -> None:
    with pytest.raises(MediaError, match="not a single byte"):
        read_bytes(given, WHERE, LIMIT)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(MediaError, match="not a single byte"):
        read_bytes(tmp_path / "empty", WHERE, LIMIT)


class Endless:
    """Gives as many bytes as are asked for, for ever."""

    def read(self, size: int, /) -> bytes:
        return b"x" * size


def test_never_more_than_the_limit(file: Path) -> None:
    assert len(read_bytes(b"x" * LIMIT, WHERE, LIMIT)) == LIMIT
    for source in (b"x" * (LIMIT + 1), Endless()):
        with pytest.raises(MediaError, match="more than 100 bytes"):
            read_bytes(source, WHERE, LIMIT)
    with pytest.raises(MediaError, match="more than 3 bytes"):
        read_bytes(file, WHERE, 3)


def test_a_text_file_object_says_so() -> None:
    with pytest.raises(MediaError, match="gives text") as caught:
        read_bytes(io.StringIO("text"), WHERE, LIMIT)  # type: ignore[arg-type]
    assert "binary mode" in caught.value.remedy


class Broken:
    """A file object of somebody else's."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, size: int, /) -> bytes:
        raise self._error


@pytest.mark.parametrize(
    ("error", "says"), [(RuntimeError("the connection is gone"), "the connection is gone"), (KeyError(), "KeyError")]
)
def test_whatever_a_file_object_raises_is_told(error: Exception, says: str) -> None:
    with pytest.raises(MediaError, match=f"{re.escape(WHERE)}: the file object cannot be read: {says}") as caught:
        read_bytes(Broken(error), WHERE, LIMIT)
    assert caught.value.__cause__ is error


def test_a_closed_file_object_says_so() -> None:
    stream = io.BytesIO(b"content")
    stream.close()
    with pytest.raises(MediaError, match="cannot be read"):
        read_bytes(stream, WHERE, LIMIT)
