"""Model folders: found, read, and checked against the family before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hub.hub_server import HubServer
from tests.plugin_maker import FAMILY, MODEL_TYPE, manifest, packages, registry_of, toy_manifest, write_plugin
from vlmplug.checkpoint import find_folder, open_source, shape_config
from vlmplug.config_json import MAX_CONFIG_BYTES, read_config
from vlmplug.errors import CheckpointError, CheckpointMismatchError, UnknownModelTypeError
from vlmplug.hub import HubOptions, Site
from vlmplug.registry import Registry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The families ``toy`` and ``other``; ``toy-tiny`` has an embedded checkpoint and ``toy-shaped`` a shape."""
    monkeypatch.syspath_prepend(str(tmp_path))
    write_plugin(tmp_path, "toy", toy_manifest(family={"config": {"model_type": "toy", "dtype": "float32"}}))
    types = {
        "toy-tiny": {**MODEL_TYPE, "checkpoint": "weights"},
        "toy-shaped": {**MODEL_TYPE, "shape": {"llm_config": "blocks.small", "dtype": "bfloat16"}},
        "other-1b": {**MODEL_TYPE, "family": "other", "hub": {"huggingface": "Org/Other-1B"}},
    }
    families = {"other": {**FAMILY, "architectures": ["OtherForCausalLM", "OtherModel"]}}
    blocks = {"small": {"hidden_size": 8}}
    write_plugin(tmp_path, "more", manifest("more", families=families, model_types=types, blocks=blocks))
    write_config(tmp_path / "more_plugin" / "weights", architectures=["ToyForCausalLM"])
    return registry_of(tmp_path, packages("toy", "more"))


def write_config(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_given_folder_is_opened(registry: Registry, tmp_path: Path) -> None:
    folder = write_config(tmp_path / "mine", architectures=["ToyForCausalLM"], size=3, scaling=None)
    source = open_source(registry, "toy-1b", folder)
    assert (source.model_type, source.family, source.template) == ("toy-1b", "toy", "plain")
    assert source.folder == folder.resolve()
    assert source.config == {"architectures": ["ToyForCausalLM"], "size": 3}


def test_without_a_folder_the_embedded_checkpoint_is_opened(registry: Registry, tmp_path: Path) -> None:
    assert open_source(registry, "toy-tiny").folder == (tmp_path / "more_plugin" / "weights").resolve()


def test_a_given_folder_wins_over_the_embedded_checkpoint(registry: Registry, tmp_path: Path) -> None:
    folder = write_config(tmp_path / "mine", architectures=["ToyForCausalLM"])
    assert open_source(registry, "toy-tiny", folder).folder == folder.resolve()


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches of the hubs."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
    return tmp_path


@pytest.mark.usefixtures("caches")
def test_without_any_checkpoint_the_error_says_what_to_do(registry: Registry) -> None:
    with pytest.raises(CheckpointError, match="vlmplug models pull other-1b`, or name the folder") as caught:
        open_source(registry, "other-1b")
    assert caught.value.problem == "The checkpoint of other-1b is not on this machine."


@pytest.mark.usefixtures("caches")
def test_a_type_that_is_on_no_hub_is_never_looked_for(registry: Registry) -> None:
    with pytest.raises(CheckpointError, match="not on this machine"):
        open_source(registry, "toy-1b", hub=HubOptions())


def test_a_downloaded_checkpoint_is_found_without_a_hub(registry: Registry, caches: Path) -> None:
    root = caches / "hf" / "models--Org--Other-1B"
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = write_config(root / "snapshots" / commit, architectures=["OtherModel"])
    (folder / "model.safetensors").write_bytes(b"")
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    assert open_source(registry, "other-1b").folder == folder.resolve()


def test_what_is_missing_is_downloaded_where_a_hub_is_named(registry: Registry, caches: Path) -> None:
    config = json.dumps({"architectures": ["OtherModel"]}).encode()
    with HubServer({"config.json": config, "model.safetensors": b"weights"}) as server:
        server.repository = "Org/Other-1B"
        hub = HubOptions(huggingface=Site(server.endpoint, token=""), offline=False)
        source = open_source(registry, "other-1b", hub=hub)
        asked = len(server.seen)
        assert open_source(registry, "other-1b", hub=hub) == source
        assert len(server.seen) == asked > 0
    assert source.config == {"architectures": ["OtherModel"]}
    assert source.folder.is_relative_to(caches / "hf")


def test_an_unknown_model_type_comes_first(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelTypeError):
        open_source(registry, "toy-9b", tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_is_no_folder_is_refused(registry: Registry, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("x")
    with pytest.raises(CheckpointError, match="place is not a folder"):
        find_folder(registry.model_type("toy-1b"), place)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "missing"),
        (b"{", "cannot be read"),
        (b"[1]", "expected a JSON object"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 200_000, "cannot be read"),
        (b'{"a": "' + b"x" * MAX_CONFIG_BYTES + b'"}', "larger than"),
    ],
    ids=["missing", "broken", "no object", "not utf-8", "nested", "huge"],
)
def test_a_config_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as caught:
        read_config(tmp_path)
    assert str(tmp_path / "config.json") in caught.value.problem


@pytest.mark.parametrize(
    ("architectures", "found"),
    [
        (["QwenModel"], "QwenModel"),
        (None, "none"),
        ([], "none"),
        ("ToyForCausalLM", "none"),
        ([3], "none"),
    ],
)
def test_a_checkpoint_of_no_known_family_is_a_mismatch(
    registry: Registry, tmp_path: Path, architectures: object, found: str
) -> None:
    folder = write_config(tmp_path / "mine", architectures=architectures)
    with pytest.raises(CheckpointMismatchError) as caught:
        open_source(registry, "toy-1b", folder)
    assert f"names the architecture {found}; family toy has ToyForCausalLM." in caught.value.problem
    assert caught.value.remedy == "Name a folder with a checkpoint of family toy."


def test_a_checkpoint_of_another_family_names_that_one(registry: Registry, tmp_path: Path) -> None:
    folder = write_config(tmp_path / "mine", architectures=["OtherModel"])
    with pytest.raises(CheckpointMismatchError, match=r"It is of family other: .*\(other-1b\)"):
        open_source(registry, "toy-1b", folder)


def test_a_shape_is_the_familys_config_with_the_types_own_numbers(registry: Registry) -> None:
    assert shape_config(registry, "toy-shaped") == {
        "model_type": "toy",
        "dtype": "bfloat16",
        "llm_config": {"hidden_size": 8},
    }


def test_a_type_without_a_shape_says_so(registry: Registry) -> None:
    with pytest.raises(CheckpointError, match="says nothing about its shape"):
        shape_config(registry, "toy-1b")
