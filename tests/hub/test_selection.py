"""Of all files of a repository the ones that a family needs: no code, each weight once, nothing that executes."""

from __future__ import annotations

import pytest

from vlmplug.errors import HubError
from vlmplug.hub.repository import Listing, RemoteFile, Repository
from vlmplug.hub.selection import select
from vlmplug.model_type import CHECKPOINT_FILES

REPOSITORY = Repository("huggingface", "Org/Name", "main", "https://hub.example.org")
SMALL = ("config.json", "tokenizer.model")
SAFE_INDEX, BIN_INDEX = "model.safetensors.index.json", "pytorch_model.bin.index.json"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
BINS = ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin")


def chosen(*names: str, patterns: tuple[str, ...] = CHECKPOINT_FILES) -> list[str]:
    files = tuple(RemoteFile(name, 1, None) for name in names)
    return [file.path for file in select(Listing(REPOSITORY, "c", files), patterns)]


@pytest.mark.parametrize(
    ("weights", "taken"),
    [
        (("model.safetensors",), ("model.safetensors",)),
        ((SAFE_INDEX, *SHARDS), (SAFE_INDEX, *SHARDS)),
        (("model.safetensors", "pytorch_model.bin"), ("model.safetensors",)),
        ((BIN_INDEX, *BINS, SAFE_INDEX, *SHARDS), (SAFE_INDEX, *SHARDS)),
        ((SAFE_INDEX, *SHARDS, "consolidated.safetensors"), (SAFE_INDEX, *SHARDS)),
        ((SAFE_INDEX, *SHARDS, "model.safetensors"), (SAFE_INDEX, *SHARDS)),
        ((SAFE_INDEX, "model.safetensors"), (SAFE_INDEX, "model.safetensors")),
        (("model.safetensors", "onnx/model.safetensors"), ("model.safetensors",)),
        (("pytorch_model.bin", "training_args.bin", "optimizer.pt"), ("pytorch_model.bin",)),
        ((BIN_INDEX, *BINS), (BIN_INDEX, *BINS)),
        (("model.fp16.safetensors", "pytorch_model.bin"), ("pytorch_model.bin",)),
    ],
    ids=lambda value: "+".join(value),
)
def test_weights_are_taken_once_and_safetensors_first(weights: tuple[str, ...], taken: tuple[str, ...]) -> None:
    assert sorted(chosen(*SMALL, *weights)) == sorted((*SMALL, *taken))


def test_all_small_files_come_before_all_weights() -> None:
    order = chosen(*SHARDS, SAFE_INDEX, *SMALL)
    assert order[-2:] == list(SHARDS)


@pytest.mark.parametrize(
    "name",
    ["modeling.py", "a.pyc", "lib.so", "setup.sh", "README.md", "assets/cat.png", "x/config.json", "LICENSE", "w.gguf"],
)
def test_what_is_not_needed_is_left(name: str) -> None:
    assert name not in chosen(*SMALL, "model.safetensors", name)


@pytest.mark.parametrize("name", ["evil.py", "EVIL.PY", "evil.pkl", "evil.bin", "evil.pt"])
def test_no_pattern_brings_in_code_or_pickles(name: str) -> None:
    assert name not in chosen(*SMALL, "model.safetensors", name, patterns=("*",))


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.txt", "merges.txt", True),
        ("*.txt", "folder/merges.txt", False),
        ("folder/*.txt", "folder/merges.txt", True),
        ("*/*.txt", "folder/merges.txt", True),
        ("*/*.txt", "folder/deep/merges.txt", False),
        ("*.TXT", "merges.txt", False),
    ],
)
def test_a_pattern_matches_part_by_part(pattern: str, name: str, matches: bool) -> None:
    taken = chosen(*SMALL, "model.safetensors", name, patterns=("config.json", "*.safetensors", pattern))
    assert (name in taken) is matches


@pytest.mark.parametrize("weights", [(), ("tf_model.h5",), ("model.ckpt",), ("adapter_model.safetensors",), SHARDS[:1]])
def test_without_usable_weights_nothing_is_taken(weights: tuple[str, ...]) -> None:
    with pytest.raises(HubError, match="has no weights that vlmplug opens") as caught:
        chosen(*SMALL, *weights)
    assert all(name in caught.value.problem for name in weights)
