"""Which folders of the hubs' caches count as complete checkpoints, without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub.conftest import ENTRY, FAMILY
from tests.hub.hub_server import COMMIT
from vlmplug.hub import HubOptions, Site, cached_checkpoint
from vlmplug.hub.cached import is_complete

OTHER = "f" * 40


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("{}")
    return folder


def index(folder: Path, name: str, *shards: object) -> None:
    (folder / name).write_text(json.dumps({"weight_map": {f"w{number}": shard for number, shard in enumerate(shards)}}))


@pytest.mark.parametrize(
    ("files", "complete"),
    [
        ((), False),
        (("config.json",), False),
        (("model.safetensors",), False),
        (("config.json", "model.safetensors"), True),
        (("config.json", "pytorch_model.bin"), True),
        (("config.json", "adapter_model.safetensors"), False),
        (("config.json", "model.safetensors.incomplete"), False),
    ],
)
def test_a_configuration_and_all_weights(tmp_path: Path, files: tuple[str, ...], complete: bool) -> None:
    assert is_complete(write(tmp_path, *files)) is complete


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "pytorch_model.bin.index.json"])
def test_an_index_says_which_weights_there_are(tmp_path: Path, name: str) -> None:
    write(tmp_path, "config.json", "a", "b")
    index(tmp_path, name, "a", "b", "a")
    assert is_complete(tmp_path)
    index(tmp_path, name, "a", "c")
    assert not is_complete(tmp_path)
    index(tmp_path, name)
    assert not is_complete(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"weight_map": 3}', '{"weight_map": {"a": [1]}}', "[" * 100_000])
def test_a_broken_index_means_incomplete(tmp_path: Path, text: str) -> None:
    write(tmp_path, "config.json", "model.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(text)
    assert not is_complete(tmp_path)


def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path) -> None:
    write(tmp_path, "config.json")
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "gone")
    assert not is_complete(tmp_path)


@pytest.fixture
def options(tmp_path: Path) -> HubOptions:
    return HubOptions(huggingface=Site(cache=tmp_path / "hf"), modelscope=Site(cache=tmp_path / "ms"))


WHOLE = ("config.json", "model.safetensors")


@pytest.mark.parametrize(
    "place",
    [
        "models/Org--Toy-1B/snapshots/master",
        "models/Org/Toy-1B",
        "hub/models/Org/Toy-1B",
        "hub/Org/Toy-1B",
    ],
)
def test_every_layout_of_modelscope_is_known(tmp_path: Path, options: HubOptions, place: str) -> None:
    folder = write(tmp_path / "ms" / place, *WHOLE)
    assert cached_checkpoint(ENTRY, FAMILY, options) == folder


def test_the_reference_of_hugging_face_decides(tmp_path: Path, options: HubOptions) -> None:
    root = tmp_path / "hf" / "models--Org--Toy-1B"
    old, new = (write(root / "snapshots" / commit, *WHOLE) for commit in (OTHER, COMMIT))
    assert cached_checkpoint(ENTRY, FAMILY, options) is None
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    assert cached_checkpoint(ENTRY, FAMILY, options) == new
    assert cached_checkpoint(ENTRY, FAMILY, HubOptions(revision=OTHER, huggingface=options.huggingface)) == old


@pytest.mark.parametrize("reference", ["", "../../secret", "main", "\udcff"])
def test_a_reference_that_is_no_commit_is_none(tmp_path: Path, options: HubOptions, reference: str) -> None:
    root = tmp_path / "hf" / "models--Org--Toy-1B"
    write(root / "secret", *WHOLE)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_bytes(reference.encode("utf-8", "surrogateescape"))
    assert cached_checkpoint(ENTRY, FAMILY, options) is None


def test_an_incomplete_one_does_not_hide_a_complete_one(tmp_path: Path, options: HubOptions) -> None:
    write(tmp_path / "hf" / "models--Org--Toy-1B" / "snapshots" / COMMIT, "config.json")
    write(tmp_path / "hf" / "models--Org--Toy-1B" / "refs").joinpath("main").write_text(COMMIT)
    whole = write(tmp_path / "ms" / "models" / "Org--Toy-1B" / "snapshots" / "master", *WHOLE)
    assert cached_checkpoint(ENTRY, FAMILY, options) == whole


def test_looking_imports_no_network_code_and_no_library_of_a_hub() -> None:
    program = "import sys, vlmplug.hub; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "vlmplug.hub.cached" in loaded
    assert not loaded & {"urllib.request", "http.client", "ssl", "huggingface_hub", "filelock", "torch", "numpy"}
