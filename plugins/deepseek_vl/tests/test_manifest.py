"""The manifest of DeepSeek-VL: its numbers fit together, and folders are told by their files."""

from __future__ import annotations

import json
import re
from importlib import metadata
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch

from vlmplug.checkpoint import shape_config
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.engine.language_shapes import language_shapes
from vlmplug.errors import AmbiguousModelError, CheckpointMismatchError
from vlmplug.memory import memory_needed
from vlmplug.pipeline import open_preparer
from vlmplug.registry import load_registry
from vlmplug.resolve import resolve
from vlmplug.shape_folder import shape_folder
from vlmplug_deepseek_vl.config import read_configuration
from vlmplug_deepseek_vl.tower import build_tower

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
#: Published ones.
TYPES = [e for e in REGISTRY.model_types.values() if e.plugin == "deepseek_vl" and e.checkpoint is None]
KINDS = [f"{size}-{kind}" for size in ("1_3b", "7b") for kind in ("chat", "base")]
NAMES = [f"deepseek-vl-{kind}{end}" for end in ("", "-hf") for kind in KINDS]

#: SigLIP's pooling of width 1024, and two norms: in the official files, never used.
POOLING = 1024 + 4 * (1024**2 + 1024) + 2 * 1024 + 2 * 4 * 1024**2 + 5 * 1024
NORMS = 4 * 1024


def tower_of(entry: Any) -> torch.nn.Module:
    with torch.device("meta"):
        return build_tower(read_configuration(shape_config(REGISTRY, entry.name), {}).vision.to_data())


def test_the_types_are_those_of_both_organisations() -> None:
    assert [entry.name for entry in TYPES] == NAMES
    for entry in TYPES:
        organisation = "deepseek-community" if entry.name.endswith("-hf") else "deepseek-ai"
        name = entry.name.removesuffix("-hf").replace("1_3b", "1.3b")
        assert entry.hub.huggingface == f"{organisation}/{name}"
        assert entry.template == ("deepseek" if "chat" in name else "plain")
        assert entry.modalities == ("text", "image")


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_parameters_are_those_of_the_shape(entry: Any) -> None:
    vision = sum(weight.numel() for weight in tower_of(entry).parameters())
    text = read_configuration(shape_config(REGISTRY, entry.name), {}).text
    assert entry.vision_parameters == vision
    assert entry.parameters == vision + sum(map(prod, language_shapes(text).values()))


def test_parameters_are_those_of_the_official_files() -> None:
    """Sizes of the published safetensors files: 3.95 GB, and 4.98 + 4.96 + 4.75 GB, in float16."""
    small, large = REGISTRY.model_type("deepseek-vl-1_3b-chat"), REGISTRY.model_type("deepseek-vl-7b-chat")
    assert 2 * (small.parameters + POOLING) / 1e9 == pytest.approx(3.95, abs=0.005)
    assert 2 * (large.parameters + POOLING + NORMS) / 1e9 == pytest.approx(4.98 + 4.96 + 4.75, abs=0.015)
    towers = sum(p.numel() for name, p in tower_of(large).named_parameters() if not name.startswith("aligner"))
    assert (towers + POOLING + NORMS) / 1e6 == pytest.approx(412.6, abs=0.05)


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_a_folder_of_true_shape_loads(entry: Any, golden: Path) -> None:
    with shape_folder(REGISTRY, entry.name, golden / "tiny_7b") as folder:
        model = open_preparer(entry.name, folder, REGISTRY).model
    assert model.settings.tokens == 576
    assert model.settings.format == entry.template
    assert model.tokenizer.vocab_size <= model.text_config["vocab_size"] == 102400


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_memory_is_known(entry: Any) -> None:
    needed = memory_needed(entry)
    assert needed is not None
    assert needed.weights == 2 * entry.parameters


def written(folder: Path, config: dict[str, Any], **files: dict[str, Any]) -> str:
    for name, content in {"config": config, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return str(folder)


@pytest.mark.parametrize("name", [name for name in NAMES if "chat" in name])
def test_a_folder_is_told_by_its_files(name: str, tmp_path: Path) -> None:
    folder = written(tmp_path, shape_config(REGISTRY, name), processor_config={"sft_format": "deepseek"})
    assert resolve(REGISTRY, folder).unique().name == name


def test_a_file_that_says_as_little_as_the_official_one_is_told(tmp_path: Path) -> None:
    config = shape_config(REGISTRY, "deepseek-vl-7b-chat")
    language = {"model_type": "llama", "num_hidden_layers": 30, "vocab_size": 102400}
    folder = written(tmp_path, {**config, "language_config": language}, processor_config={"sft_format": "deepseek"})
    assert resolve(REGISTRY, folder).unique().name == "deepseek-vl-7b-chat"


def test_what_says_nothing_about_its_prompt_may_be_a_base_model(tmp_path: Path) -> None:
    folder = written(tmp_path, shape_config(REGISTRY, "deepseek-vl-7b-base"))
    with pytest.raises(AmbiguousModelError, match=r"deepseek-vl-7b-chat .*deepseek-vl-7b-base"):
        resolve(REGISTRY, folder).unique()


def test_janus_is_refused_by_its_keys(tmp_path: Path) -> None:
    config = {**shape_config(REGISTRY, "deepseek-vl-1_3b-chat"), "gen_vision_config": {"cls": "VQ-16"}}
    with pytest.raises(CheckpointMismatchError, match="gen_vision_config"):
        resolve(REGISTRY, written(tmp_path, config))


def test_either_format_opens_under_the_name_of_the_other(native_single: Path, single: Path) -> None:
    for folder, name in ((native_single, "deepseek-vl-1_3b-chat"), (single, "deepseek-vl-1_3b-chat-hf")):
        assert open_preparer(name, folder, REGISTRY).model.settings.tokens == 576


def test_the_manifest_requires_what_the_distribution_requires() -> None:
    lines = [line for line in metadata.requires("vlmplug-deepseek-vl") or () if not line.startswith("vlmplug")]
    assert REGISTRY.plugin("deepseek_vl").requires == {
        name: specifier for name, specifier in (re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in lines)
    }
