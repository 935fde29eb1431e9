"""What is kept is found with its size, and only that is deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.hub.conftest import ENTRY, FAMILY, WEIGHTS, options_of
from tests.hub.hub_server import Fault, HubServer
from vlmplug.errors import HubUnreachableError
from vlmplug.hub import HubName, HubOptions, fetch_checkpoint
from vlmplug.hub.inventory import Kept, inventory, remove
from vlmplug.model_type import Hub


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of our own caches."""
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "own"))
    return tmp_path / "own" / "vlmplug"


def checkpoints(options: HubOptions) -> list[Kept]:
    return [one for one in inventory([ENTRY], options) if one.kind == "checkpoint"]


def test_nothing_is_kept_at_first(options: HubOptions) -> None:
    assert inventory([ENTRY], options) == []


def test_a_checkpoint_is_listed_with_its_size_and_its_model_types(
    server: HubServer, options: HubOptions, hub: HubName
) -> None:
    folder = fetch_checkpoint(ENTRY, FAMILY, options)
    entries = [ENTRY, replace(ENTRY, name="toy-1b-chat"), replace(ENTRY, name="else", hub=Hub("Org/Else", "Org/Else"))]
    (kept,) = inventory(entries, options)
    assert (kept.kind, kept.name, kept.hub) == ("checkpoint", "Org/Toy-1B", hub)
    assert kept.model_types == ("toy-1b", "toy-1b-chat")
    assert folder.is_relative_to(kept.folder)
    assert len(WEIGHTS) < kept.size < len(WEIGHTS) + 200
    assert kept.complete


def test_an_unfinished_download_is_listed_as_such(server: HubServer, options: HubOptions) -> None:
    server.faults["model.safetensors"] = [Fault(cut=200_000), *[Fault(cut=0)] * 2]
    with pytest.raises(HubUnreachableError):
        fetch_checkpoint(ENTRY, FAMILY, options)
    (kept,) = checkpoints(options)
    assert not kept.complete
    assert kept.size > 200_000


def test_removing_frees_it_and_leaves_the_neighbours(server: HubServer, options: HubOptions, tmp_path: Path) -> None:
    fetch_checkpoint(ENTRY, FAMILY, options)
    (kept,) = checkpoints(options)
    neighbour = kept.folder.with_name("models--Org--Other")
    neighbour.mkdir()
    remove(kept)
    assert checkpoints(options) == []
    assert neighbour.is_dir()
    assert (fetch_checkpoint(ENTRY, FAMILY, options) / "model.safetensors").read_bytes() == WEIGHTS


def test_our_own_folders(own: Path, options: HubOptions) -> None:
    for name, size in (("converted/Toy-0123", 5), ("converted/Toy-4567.incomplete", 3), ("documents", 2)):
        (own / name).mkdir(parents=True)
        (own / name / "file").write_bytes(bytes(size))
    listed = [(one.kind, one.name, one.size, one.complete) for one in inventory([], options)]
    assert listed == [
        ("conversion", "Toy-0123", 5, True),
        ("conversion", "Toy-4567.incomplete", 3, False),
        ("index", "documents", 2, True),
    ]


def test_links_are_neither_counted_nor_followed(own: Path, options: HubOptions, tmp_path: Path) -> None:
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "file").write_bytes(bytes(100))
    (own / "converted").mkdir(parents=True)
    (own / "converted" / "link").symlink_to(treasure)
    (own / "documents").mkdir()
    (own / "documents" / "link").symlink_to(treasure)
    (kept,) = inventory([], options)
    assert (kept.name, kept.size) == ("documents", 0)
    remove(kept)
    assert (treasure / "file").is_file()


@pytest.mark.parametrize("id_", ["../../treasure", "..", "a/../../treasure"])
def test_a_manifest_cannot_point_at_what_is_somebody_elses(
    server: HubServer, tmp_path: Path, hub: HubName, id_: str
) -> None:
    (tmp_path / "treasure").mkdir()
    entry = replace(ENTRY, hub=Hub(huggingface=id_, modelscope=id_))
    assert inventory([entry], options_of(server, tmp_path, hub)) == []
