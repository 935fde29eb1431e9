"""Our downloads are huggingface_hub's, and its downloads are ours: the real library against the same hub and cache."""

from __future__ import annotations

import os
from pathlib import Path

import huggingface_hub
import pytest

from tests.hub.conftest import ENTRY, FAMILY, FILES, WEIGHTS, options_of
from tests.hub.hub_server import COMMIT, REPOSITORY, Fault, HubServer
from vlmplug.errors import HubUnreachableError
from vlmplug.hub import HubOptions, cached_checkpoint, fetch_checkpoint
from vlmplug.hub.inventory import inventory, remove

PATTERNS = ["*.json", "*.safetensors"]


@pytest.fixture
def ours(server: HubServer, tmp_path: Path) -> HubOptions:
    """Options for Hugging Face."""
    return options_of(server, tmp_path, "huggingface")


def theirs(server: HubServer, tmp_path: Path) -> Path:
    """Downloads with the library."""
    cache = tmp_path / "hf"
    folder = huggingface_hub.snapshot_download(
        REPOSITORY, allow_patterns=PATTERNS, cache_dir=cache, endpoint=server.endpoint, token=False
    )
    return Path(folder)


def test_the_library_finds_what_we_downloaded(server: HubServer, ours: HubOptions, tmp_path: Path) -> None:
    folder = fetch_checkpoint(ENTRY, FAMILY, ours)
    server.seen.clear()
    cache = tmp_path / "hf"
    assert Path(huggingface_hub.snapshot_download(REPOSITORY, cache_dir=cache, local_files_only=True)) == folder
    for name in ("config.json", "model.safetensors"):
        assert huggingface_hub.try_to_load_from_cache(REPOSITORY, name, cache_dir=cache) == str(folder / name)
    assert server.seen == []


def test_the_library_downloads_nothing_anew(server: HubServer, ours: HubOptions, tmp_path: Path) -> None:
    folder = fetch_checkpoint(ENTRY, FAMILY, ours)
    server.seen.clear()
    assert theirs(server, tmp_path) == folder
    assert not [seen for seen in server.seen if "/resolve/" in seen.path]


def test_the_library_understands_our_cache(server: HubServer, ours: HubOptions, tmp_path: Path) -> None:
    fetch_checkpoint(ENTRY, FAMILY, ours)
    info = huggingface_hub.scan_cache_dir(tmp_path / "hf")
    assert not info.warnings
    (repository,) = info.repos
    (revision,) = repository.revisions
    assert (repository.repo_id, revision.commit_hash, revision.refs) == (REPOSITORY, COMMIT, frozenset({"main"}))
    assert repository.size_on_disk == sum(len(FILES[file.file_name]) for file in revision.files)


def test_we_find_what_the_library_downloaded(server: HubServer, ours: HubOptions, tmp_path: Path) -> None:
    folder = theirs(server, tmp_path)
    server.seen.clear()
    assert cached_checkpoint(ENTRY, FAMILY, ours) == folder
    assert server.seen == []
    assert fetch_checkpoint(ENTRY, FAMILY, ours) == folder
    assert len(server.seen) == 1


def test_we_finish_what_the_library_began(server: HubServer, ours: HubOptions, tmp_path: Path) -> None:
    cache = tmp_path / "hf"
    huggingface_hub.hf_hub_download(REPOSITORY, "config.json", cache_dir=cache, endpoint=server.endpoint, token=False)
    assert cached_checkpoint(ENTRY, FAMILY, ours) is None
    server.seen.clear()
    folder = fetch_checkpoint(ENTRY, FAMILY, ours)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert server.requests("config.json") == []


def test_the_library_finishes_what_we_began(server: HubServer, ours: HubOptions, tmp_path: Path) -> None:
    server.faults["model.safetensors"] = [Fault(cut=9)] + [Fault(cut=0)] * 2
    with pytest.raises(HubUnreachableError):
        fetch_checkpoint(ENTRY, FAMILY, ours)
    assert (theirs(server, tmp_path) / "model.safetensors").read_bytes() == WEIGHTS


def test_without_links_there_are_files(
    server: HubServer, ours: HubOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **flags: object) -> None:
        raise OSError("links need a privilege")

    monkeypatch.setattr(os, "symlink", refuse)
    folder = fetch_checkpoint(ENTRY, FAMILY, ours)
    assert not any(file.is_symlink() for file in folder.iterdir())
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert theirs(server, tmp_path) == folder


def test_what_is_removed_is_gone_for_the_library_too(server: HubServer, ours: HubOptions, tmp_path: Path) -> None:
    fetch_checkpoint(ENTRY, FAMILY, ours)
    (kept,) = [one for one in inventory([ENTRY], ours) if one.kind == "checkpoint"]
    remove(kept)
    assert huggingface_hub.scan_cache_dir(tmp_path / "hf").repos == frozenset()
    assert [file for file in (tmp_path / "hf").rglob("*") if file.is_file()] == []
