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
from vlmplug.pipeline import Request, open_pipeline, open_preparer
from vlmplug.question import Question, request_of
from vlmplug.registry import load_registry
from vlmplug.sampling import Sampling
from vlmplug.shape_folder import write_shape_folder
from vlmplug_glm4v.config import checked, text_config, tower_config
from vlmplug_glm4v.tower import build_tower

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
#: Published ones.
TYPES = [e for e in REGISTRY.model_types.values() if e.plugin == "glm4v" and e.checkpoint is None]
CONFIG = shape_config(REGISTRY, "glm4v-9b-chat")

#: Weights of the published checkpoint, as its users counted them (zai-org/GLM-4, issue 500).
ALL, ENCODER_LAYERS, VISION_LAYERS = 13_906_320_896, 8_158_433_280, 4_279_387_392


def test_the_shape_has_as_many_weights_as_the_published_checkpoint() -> None:
    config = checked(CONFIG)
    with torch.device("meta"):
        tower = build_tower(tower_config(config))
    vision = sum(weight.numel() for weight in tower.parameters())
    language = {name: prod(shape) for name, shape in language_shapes(text_config(config)).items()}
    assert vision + sum(language.values()) == ALL
    assert sum(weight.numel() for weight in tower.transformer.parameters()) == VISION_LAYERS
    assert sum(count for name, count in language.items() if ".layers." in name) == ENCODER_LAYERS
    assert {(entry.parameters, entry.vision_parameters) for entry in TYPES} == {(ALL, vision)}


def test_a_picture_of_true_size() -> None:
    config = checked(CONFIG)
    with torch.device("meta"):
        tower = build_tower(tower_config(config)).to(torch.bfloat16)
        features = tower(torch.zeros(1, 1120, 1120, 3, dtype=torch.uint8))
    assert features.shape == (1, 1602, 4096)


def test_names() -> None:
    assert [entry.name for entry in TYPES] == ["glm4v-9b-chat", "cogagent-9b"]
    for name in ("glm-4v-9b", "chatglm4v"):
        assert REGISTRY.model_type(name).name == "glm4v-9b-chat"
    assert "glm4v" not in {*REGISTRY.aliases, *REGISTRY.model_types}, "newer versions of swift mean GLM-4.1V by that"
    assert {entry.modalities for entry in TYPES} == {("text", "image")}


def test_the_manifest_requires_what_the_distribution_requires() -> None:
    lines = [line for line in metadata.requires("vlmplug-glm4v") or () if not line.startswith("vlmplug")]
    assert REGISTRY.plugin("glm4v").requires == {
        name: specifier for name, specifier in (re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in lines)
    }


def test_memory_is_known() -> None:
    memory = memory_needed(REGISTRY.model_type("glm4v-9b-chat"), Setup("bfloat16"))
    assert memory is not None
    assert memory.weights == 2 * ALL
    assert memory.cache == 2 * 40 * 2 * 128 * 8192 * 2
    assert memory_needed(REGISTRY.model_type("glm4v-9b-chat"), Setup("awq")) is None


def folder_of(config: dict[str, Any], folder: Path) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("architecture", ["ChatGLMModel", "ChatGLMForConditionalGeneration"])
def test_the_files_tell_the_model_type(architecture: str, tmp_path: Path) -> None:
    config = {**CONFIG, "architectures": [architecture]}
    folder = folder_of(config, tmp_path)
    family = detect_family(REGISTRY, folder, config)
    assert family.name == "glm4v"
    fitting = [candidate.name for candidate in detect_types(REGISTRY, family, folder, config) if candidate.fits]
    assert fitting == ["glm4v-9b-chat"]


@pytest.mark.parametrize(
    "changes",
    [
        {"vision_config": None},
        {"model_type": "glm4v", "architectures": ["Glm4vForConditionalGeneration"]},
        {"padded_vocab_size": None},
    ],
    ids=["GLM-4", "GLM-4.1V", "ChatGLM of another kind"],
)
def test_other_models_are_not_taken_for_it(changes: dict[str, Any], tmp_path: Path) -> None:
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
    with pytest.raises(CheckpointMismatchError):
        detect_family(REGISTRY, folder_of(config, tmp_path), config)


def test_a_folder_of_true_shape_needs_no_checkpoint(golden: Path, tmp_path: Path) -> None:
    write_shape_folder(REGISTRY, "glm4v-9b-chat", golden / "tiny", tmp_path)
    preparer = open_preparer("glm4v-9b-chat", tmp_path, REGISTRY)
    picture = golden / "exif.jpg"
    prompt = preparer.prepare(request_of(Question("Hi", str(picture)), Sampling())).engine_input
    assert prompt.spans[0].length == 1602
    assert prompt.position_ids is not None and prompt.position_ids[-1] + 1 == len(prompt.input_ids) - 1599


def test_random_weights_answer(golden: Path, tmp_path: Path) -> None:
    for file in (golden / "tiny").iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).symlink_to(file)
    with open_pipeline(
        "glm4v-9b-chat", tmp_path, EngineOptions("cpu", weights="random", seed=1, threads=1)
    ) as pipeline:
        sampling = Sampling(max_new_tokens=4, ignore_stop=True)
        request: Request = request_of(Question("Hi", str(golden / "exif.jpg")), sampling)
        assert pipeline.generate(request).generated_tokens == 4
