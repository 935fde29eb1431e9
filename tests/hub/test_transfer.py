"""A file goes on where it was cut, whoever cut it; wrong bytes are never shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hub.conftest import ENTRY, FAMILY, FILES, WEIGHTS, options_of
from tests.hub.hub_server import Fault, HubServer
from vlmplug.errors import HubChecksumError, HubError, HubNotFoundError, HubUnreachableError
from vlmplug.hub import HubName, HubOptions, Patience, cached_checkpoint, fetch_checkpoint, plan_fetch

FILE = "model.safetensors"


def unfinished(folder: Path) -> list[Path]:
    return list(folder.rglob("*.incomplete"))


#: Bytes of the largest file but the one that is cut.
OTHERS = max(len(content) for name, content in FILES.items() if name != FILE)


def largest(folder: Path) -> int:
    """Bytes of the largest unfinished file; others come and go meanwhile."""
    sizes = [0]
    for part in unfinished(folder):
        with suppress(FileNotFoundError):
            sizes.append(part.stat().st_size)
    return max(sizes)


@pytest.mark.parametrize(
    ("faults", "ranges"),
    [
        ([], [None]),
        ([Fault(cut=100_000)], [None, "bytes=100000-"]),
        ([Fault(cut=1), Fault(cut=1), Fault(cut=1), Fault(cut=1)], [None, *(f"bytes={n}-" for n in range(1, 5))]),
        ([Fault(cut=100_000), Fault(ignore_range=True)], [None, "bytes=100000-"]),
        ([Fault(cut=100_000), Fault(wrong_range=True)], [None, "bytes=100000-", None]),
        ([Fault(cut=100_000), Fault(416)], [None, "bytes=100000-", None]),
        ([Fault(cut=100_000), Fault(503)], [None, "bytes=100000-", "bytes=100000-"]),
        ([Fault(cut=0), Fault(429, {"Retry-After": "0"})], [None, None, None]),
    ],
    ids=["whole", "cut", "cut again and again", "no ranges", "another range", "refused range", "busy", "too many"],
)
def test_what_was_cut_goes_on(
    server: HubServer, options: HubOptions, faults: list[Fault], ranges: list[str | None]
) -> None:
    server.faults[FILE] = list(faults)
    folder = fetch_checkpoint(ENTRY, FAMILY, options)
    assert (folder / FILE).read_bytes() == WEIGHTS
    assert server.ranges(FILE) == ranges


def test_a_download_that_failed_goes_on_the_next_time(server: HubServer, options: HubOptions, tmp_path: Path) -> None:
    server.faults[FILE] = [Fault(cut=200_000), *[Fault(cut=0)] * 2]
    with pytest.raises(HubUnreachableError, match=r"the connection was cut at byte 200,000 of 300,000"):
        fetch_checkpoint(ENTRY, FAMILY, options)
    assert [file.stat().st_size for file in unfinished(tmp_path)] == [200_000]
    assert cached_checkpoint(ENTRY, FAMILY, options) is None
    assert plan_fetch(ENTRY, FAMILY, options).bytes_to_fetch == 100_000
    server.seen.clear()
    folder = fetch_checkpoint(ENTRY, FAMILY, options)
    assert server.ranges(FILE) == ["bytes=200000-"]
    assert (folder / FILE).read_bytes() == WEIGHTS
    assert unfinished(tmp_path) == []


def test_silence_is_not_waited_for(server: HubServer, options: HubOptions) -> None:
    server.faults[FILE] = [Fault(cut=100_000, hang=30)]
    start = time.monotonic()
    hurried = replace(options, patience=Patience(timeout=0.3, attempts=3, pause=0.01))
    folder = fetch_checkpoint(ENTRY, FAMILY, hurried)
    assert time.monotonic() - start < 20
    assert (folder / FILE).read_bytes() == WEIGHTS


def test_a_hub_that_is_silent_for_ever(server: HubServer, options: HubOptions) -> None:
    server.faults[FILE] = [Fault(cut=0, hang=1)] * 3
    hurried = replace(options, patience=Patience(timeout=0.2, attempts=3, pause=0.01))
    with pytest.raises(HubUnreachableError, match="after 3 tries: nothing came for too long"):
        fetch_checkpoint(ENTRY, FAMILY, hurried)


@pytest.mark.parametrize("name", [FILE, "config.json"])
def test_wrong_bytes_are_deleted_and_another_try_works(
    server: HubServer, options: HubOptions, name: str, tmp_path: Path
) -> None:
    server.faults[name] = [Fault(content=server.files[name][::-1])]
    with pytest.raises(HubChecksumError, match=f"{name} of Org/Toy-1B .* other bytes than its checksum says"):
        fetch_checkpoint(ENTRY, FAMILY, options)
    wrong = server.files[name][::-1]
    assert not [place for place in tmp_path.rglob("*") if place.is_file() and place.read_bytes() == wrong]
    assert not [place for place in tmp_path.rglob(name) if place.is_file()]
    assert (fetch_checkpoint(ENTRY, FAMILY, options) / name).read_bytes() == server.files[name]


@pytest.mark.parametrize("content", [WEIGHTS[:-1], WEIGHTS + b"x"], ids=["too few", "too many"])
def test_another_size_than_listed(server: HubServer, options: HubOptions, content: bytes, tmp_path: Path) -> None:
    server.faults[FILE] = [Fault(content=content)]
    with pytest.raises(HubChecksumError, match="bytes instead of 300,000"):
        fetch_checkpoint(ENTRY, FAMILY, options)
    assert unfinished(tmp_path) == []


def test_a_part_that_is_longer_than_the_file_is_begun_anew(server: HubServer, options: HubOptions) -> None:
    server.faults[FILE] = [Fault(cut=200_000), *[Fault(cut=0)] * 2]
    with pytest.raises(HubUnreachableError):
        fetch_checkpoint(ENTRY, FAMILY, options)
    server.files[FILE] = WEIGHTS[:150_000]
    assert (fetch_checkpoint(ENTRY, FAMILY, options) / FILE).read_bytes() == WEIGHTS[:150_000]


def test_a_part_with_foreign_bytes_is_noticed(server: HubServer, options: HubOptions, tmp_path: Path) -> None:
    server.faults[FILE] = [Fault(cut=200_000), *[Fault(cut=0)] * 2]
    with pytest.raises(HubUnreachableError):
        fetch_checkpoint(ENTRY, FAMILY, options)
    (part,) = unfinished(tmp_path)
    part.write_bytes(bytes(200_000))
    with pytest.raises(HubChecksumError):
        fetch_checkpoint(ENTRY, FAMILY, options)
    assert (fetch_checkpoint(ENTRY, FAMILY, options) / FILE).read_bytes() == WEIGHTS


def test_a_listed_file_that_is_not_there(server: HubServer, options: HubOptions) -> None:
    server.listed["tokenizer.json"] = "missing.json"
    with pytest.raises(HubNotFoundError, match=r"missing\.json of Org/Toy-1B .* does not exist"):
        fetch_checkpoint(ENTRY, FAMILY, options)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written(server: HubServer, options: HubOptions, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HubError, match="cannot be written: Permission denied"):
        fetch_checkpoint(ENTRY, FAMILY, options)
    tmp_path.chmod(0o700)


def test_a_cache_that_is_a_file(server: HubServer, tmp_path: Path, hub: HubName) -> None:
    for name in ("hf", "ms"):
        (tmp_path / name).write_text("in the way")
    with pytest.raises(HubError, match="cannot be written: Not a directory"):
        fetch_checkpoint(ENTRY, FAMILY, options_of(server, tmp_path, hub))


def test_a_name_that_is_too_long_for_the_disk(server: HubServer, options: HubOptions) -> None:
    server.files[f"{'x' * 300}.json"] = b"{}"
    with pytest.raises(HubError, match="cannot be written: File name too long"):
        fetch_checkpoint(ENTRY, FAMILY, options)


def test_many_at_once_fetch_each_file_once(server: HubServer, options: HubOptions) -> None:
    with ThreadPoolExecutor(6) as pool:
        folders = set(pool.map(lambda _: fetch_checkpoint(ENTRY, FAMILY, options), range(6)))
    (folder,) = folders
    assert (folder / FILE).read_bytes() == WEIGHTS
    assert server.ranges(FILE) == [None]


#: Pulls in a process of its own; the arguments are the endpoint, the cache and the hub.
PROGRAM = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from tests.hub.conftest import ENTRY, FAMILY
    from vlmplug.hub import HubOptions, Patience, Site, fetch_checkpoint

    endpoint, folder, hub = sys.argv[1:]
    site = Site(endpoint, Path(folder), "")
    options = HubOptions(hub, offline=False, huggingface=site, modelscope=site, patience=Patience(60, 3, 0.01))
    try:
        print(fetch_checkpoint(ENTRY, FAMILY, options))
    except KeyboardInterrupt:
        print("interrupted")
    """
)


def pull(server: HubServer, folder: Path, hub: HubName) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, server.endpoint, str(folder), hub]
    root = Path(__file__).parent.parent.parent
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": "."})


def test_two_processes_do_not_disturb_each_other(server: HubServer, tmp_path: Path, hub: HubName) -> None:
    server.faults[FILE] = [Fault(cut=100_000, hang=0.5)]
    processes = [pull(server, tmp_path, hub) for _ in range(2)]
    (folder,) = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert (Path(folder) / FILE).read_bytes() == WEIGHTS
    assert server.ranges(FILE) == [None, "bytes=100000-"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_an_interrupted_download_ends_at_once_and_goes_on_later(
    server: HubServer, tmp_path: Path, hub: HubName, how: signal.Signals
) -> None:
    server.faults[FILE] = [Fault(cut=100_000, hang=30)]
    process = pull(server, tmp_path, hub)
    deadline = time.monotonic() + 30
    while largest(tmp_path) <= OTHERS and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(how)
    start = time.monotonic()
    said = process.communicate(timeout=30)[0].strip()
    assert time.monotonic() - start < 20
    assert said == ("interrupted" if how is signal.SIGINT else "")
    kept = largest(tmp_path)
    assert 0 < kept <= 100_000
    server.seen.clear()
    again = pull(server, tmp_path, hub)
    assert (Path(again.communicate(timeout=60)[0].strip()) / FILE).read_bytes() == WEIGHTS
    assert server.ranges(FILE) == [f"bytes={kept}-"]
