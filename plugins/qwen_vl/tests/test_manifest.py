"""The manifest: its numbers fit together, and checkpoints are told by their files."""

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
from vlmplug.detection import detect_family, detect_types
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.engine.language_shapes import language_shapes
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import CheckpointMismatchError
from vlmplug.memory import Setup, memory_needed
from vlmplug.pipeline import open_pipeline, open_preparer
from vlmplug.question import Question, request_of
from vlmplug.registry import load_registry
from vlmplug.sampling import Sampling
from vlmplug.shape_folder import write_shape_folder
from vlmplug_qwen_vl.config import checked, text_config, tower_config
from vlmplug_qwen_vl.tower import build_tower

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
#: Published ones.
TYPES = [e for e in REGISTRY.model_types.values() if e.plugin == "qwen_vl" and e.checkpoint is None]
CONFIG = shape_config(REGISTRY, "qwen-vl-chat")
#: Weights of the official tower with its resampler, as its own code counts them.
VISION = 1_935_610_624


def test_the_shape_has_as_many_weights_as_the_official_code() -> None:
    config = checked(CONFIG)
    with torch.device("meta"):
        state = build_tower(tower_config(config)).state_dict()
    language = language_shapes(text_config(config))
    assert sum(weight.numel() for weight in state.values()) == VISION
    assert len(state) == 594 and len(language) == 3 + 32 * 8
    assert language == language_shapes(config)
    both = VISION + sum(map(prod, language.values()))
    assert {(entry.parameters, entry.vision_parameters) for entry in TYPES} == {(both, VISION)}


def test_a_picture_of_true_size() -> None:
    with torch.device("meta"):
        tower = build_tower(tower_config(checked(CONFIG))).to(torch.bfloat16)
        features = tower(torch.zeros(1, 448, 448, 3, dtype=torch.uint8))
    assert features.shape == (1, 256, 4096)


def test_names() -> None:
    assert [entry.name for entry in TYPES] == ["qwen-vl-chat", "qwen-vl"]
    assert REGISTRY.model_type("qwen_vl").name == "qwen-vl-chat"
    assert "qwen-vl-chat-int4" in REGISTRY.known
    assert {entry.modalities for entry in TYPES} == {("text", "image")}


def test_the_manifest_requires_what_the_distribution_requires() -> None:
    lines = [line for line in metadata.requires("vlmplug-qwen-vl") or () if not line.startswith("vlmplug")]
    assert REGISTRY.plugin("qwen_vl").requires == {
        name: specifier for name, specifier in (re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in lines)
    }


def test_memory_is_known() -> None:
    entry = REGISTRY.model_type("qwen-vl-chat")
    memory, halved = (memory_needed(entry, Setup("bfloat16", tp=tp)) for tp in (1, 2))
    assert memory is not None and halved is not None
    assert memory.weights == 2 * entry.parameters
    assert memory.cache == 2 * halved.cache == 2 * 32 * 32 * 128 * 8192 * 2
    seen = 2 * 32 * 1025 * (4 * 1664 + 2 * 8192) * 2
    assert memory.reserve == 2**30 + seen, "what the tower sees at once is more than a prompt"
    assert memory_needed(entry, Setup("awq")) is None


def folder_of(config: dict[str, Any], folder: Path, chat_format: str | None = "chatml") -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    if chat_format is not None:
        (folder / "generation_config.json").write_text(json.dumps({"chat_format": chat_format}, indent=2))
    return folder


@pytest.mark.parametrize(
    ("chat_format", "types"),
    [("chatml", ["qwen-vl-chat"]), ("raw", ["qwen-vl"]), (None, ["qwen-vl-chat", "qwen-vl"])],
)
def test_the_files_tell_the_model_type(chat_format: str | None, types: list[str], tmp_path: Path) -> None:
    folder = folder_of(CONFIG, tmp_path, chat_format)
    family = detect_family(REGISTRY, folder, CONFIG)
    assert family.name == "qwen_vl"
    fitting = [candidate.name for candidate in detect_types(REGISTRY, family, folder, CONFIG) if candidate.fits]
    assert sorted(fitting) == sorted(types)


@pytest.mark.parametrize(
    "changes",
    [{"visual": None}, {"model_type": "qwen2_vl", "architectures": ["Qwen2VLForConditionalGeneration"]}],
    ids=["Qwen", "Qwen2-VL"],
)
def test_other_models_are_not_taken_for_it(changes: dict[str, Any], tmp_path: Path) -> None:
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
    with pytest.raises(CheckpointMismatchError):
        detect_family(REGISTRY, folder_of(config, tmp_path), config)


@pytest.mark.parametrize("name", ["qwen-vl-chat", "qwen-vl"])
def test_a_folder_of_true_shape_needs_no_checkpoint(name: str, golden: Path, tmp_path: Path) -> None:
    write_shape_folder(REGISTRY, name, golden / "tiny", tmp_path)
    preparer = open_preparer(name, tmp_path, REGISTRY)
    prompt = preparer.prepare(request_of(Question("Hi", str(golden / "exif.jpg")), Sampling())).engine_input
    assert prompt.spans[0].length == 256
    assert preparer.model.length_scaling is not None and preparer.model.length_scaling.trained_length == 2048


def test_random_weights_answer(golden: Path, tmp_path: Path) -> None:
    for file in (golden / "tiny").iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).symlink_to(file)
    options = EngineOptions("cpu", weights="random", seed=1, threads=1)
    with open_pipeline("qwen-vl-chat", tmp_path, options) as pipeline:
        sampling = Sampling(max_new_tokens=4, ignore_stop=True)
        answer = pipeline.generate(request_of(Question("Hi", str(golden / "exif.jpg")), sampling))
        assert (answer.generated_tokens, answer.media_tokens) == (4, 256)
