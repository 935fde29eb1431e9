"""What a model folder holds is told by its files, against the shapes and signs of the manifests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.plugin_maker import FAMILY, MODEL_TYPE, manifest, packages, registry_of, write_plugin
from vlmplug.config_json import read_config
from vlmplug.detection import detect_family, detect_types
from vlmplug.errors import CheckpointMismatchError
from vlmplug.registry import Registry

#: Families whose architectures alone do not tell them apart, as official checkpoints have it.
FAMILIES = {
    "glm": {**FAMILY, "architectures": ["ChatModel"], "signs": {"present": ["vision_config"]}},
    "qwen": {**FAMILY, "architectures": ["HeadModel"], "signs": {"present": ["visual"]}},
    "deep": {**FAMILY, "architectures": ["MultiModality"], "signs": {"absent": ["gen_vision_config"]}},
    "composer": {**FAMILY, "architectures": ["Composer2ForCausalLM"]},
    "lone": {**FAMILY, "architectures": ["LoneModel"]},
    "pair": {**FAMILY, "architectures": ["PairModel"]},
    "mini": {
        **FAMILY,
        "architectures": ["Mini"],
        "template_signs": {"v2": {"equal": {"version": "2.0"}}, "v2_6": {"equal": {"version": 2.6}}},
    },
}
MINI = {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100, "architectures": ["Mini"]}


def model_type(family: str, **parts: Any) -> dict[str, Any]:
    return {**MODEL_TYPE, "family": family, **parts}


TYPES = {
    "lone-1b": model_type("lone"),
    "pair-a": model_type("pair"),
    "pair-b": model_type("pair"),
    "mini-v2": model_type("mini", template="v2", shape=MINI),
    "mini-v2_6": model_type("mini", template="v2_6", shape={**MINI, "rope_scaling": {"type": "dynamic"}}),
    "mini-v2_6-large": model_type("mini", template="v2_6", shape={**MINI, "hidden_size": 128}),
    "mini-deep": model_type("mini", template="other", shape={**MINI, "llm_config": {"num_hidden_layers": 9}}),
    "mini-somebodys": model_type("mini", template="v2_6"),
    "mini-embedded": model_type("mini", template="other", checkpoint="weights"),
}
MINIS = [name for name, entry in TYPES.items() if entry["family"] == "mini"]

WriteFolder: TypeAlias = Callable[..., Path]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.syspath_prepend(str(tmp_path))
    write_plugin(tmp_path, "zoo", manifest("zoo", families=FAMILIES, model_types=TYPES))
    write_config(tmp_path / "zoo_plugin" / "weights", {"architectures": ["Mini"], "hidden_size": 8, "use_cache": True})
    registry = registry_of(tmp_path, packages("zoo"))
    registry.raise_problems()
    return registry


def write_config(folder: Path, config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("config", "family"),
    [
        ({"architectures": ["ChatModel"], "vision_config": {"a": 1}}, "glm"),
        ({"architectures": ["HeadModel"], "visual": {}}, "qwen"),
        ({"architectures": ["MultiModality"]}, "deep"),
        ({"architectures": ["LanguageModel"], "auto_map": {"AutoModel": "m.Composer2ForCausalLM"}}, "composer"),
        ({"auto_map": {"AutoModel": "m.Composer2ForCausalLM"}}, "composer"),
    ],
)
def test_the_family(registry: Registry, tmp_path: Path, config: dict[str, Any], family: str) -> None:
    assert detect_family(registry, tmp_path, config).name == family


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architectures": ["ChatModel"]}, "ChatModel, which no family here has. It is not glm: config.json has no"),
        ({"architectures": ["HeadModel"]}, "It is not qwen: config.json has no visual"),
        ({"architectures": ["MultiModality"], "gen_vision_config": {}}, "It is not deep: config.json has gen_vision"),
        ({"architectures": ["LlamaForCausalLM"]}, "names the architecture LlamaForCausalLM, which no family here has"),
        ({}, "names the architecture none"),
        ({"architectures": "ChatModel", "auto_map": 7}, "names the architecture none"),
        ({"architectures": ["LoneModel", "PairModel"]}, "fits the families lone and pair"),
    ],
)
def test_no_family(registry: Registry, tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointMismatchError, match=said.replace("(", r"\(")) as caught:
        detect_family(registry, tmp_path, config)
    assert "glm" in caught.value.remedy or "--model TYPE" in caught.value.remedy


@pytest.mark.parametrize(
    ("config", "fits"),
    [
        ({**MINI, "version": "2.0"}, ["mini-v2"]),
        ({**MINI, "version": 2.6}, ["mini-v2_6"]),
        ({**MINI, "version": 2.6, "hidden_size": 128}, ["mini-v2_6-large"]),
        ({**MINI, "version": 2.6, "torch_dtype": "float16", "rope_scaling": {"factor": 2}}, ["mini-v2_6"]),
        ({**MINI, "version": 3, "llm_config": {"num_hidden_layers": 9}}, ["mini-deep"]),
        ({**MINI, "version": 3, "hidden_size": 8}, ["mini-embedded"]),
        ({**MINI, "version": 3, "hidden_size": 32}, []),
        ({**MINI, "version": 2.6, "vocab_size": 107}, ["mini-v2_6"]),
        ({**MINI, "version": 2.6, "vocab_size": 107, "hidden_size": 32}, []),
        ({"architectures": ["LoneModel"]}, ["lone-1b"]),
        ({"architectures": ["LoneModel"], "hidden_size": 7}, ["lone-1b"]),
        ({"architectures": ["PairModel"]}, ["pair-a", "pair-b"]),
    ],
)
def test_the_model_types_that_fit(registry: Registry, tmp_path: Path, config: dict[str, Any], fits: list[str]) -> None:
    family = detect_family(registry, tmp_path, config)
    candidates = detect_types(registry, family, tmp_path, config)
    assert [candidate.name for candidate in candidates if candidate.fits] == fits
    assert {candidate.name for candidate in candidates} == {n for n, e in TYPES.items() if e["family"] == family.name}
    assert all(candidate.why for candidate in candidates)


def test_reasons_name_keys_with_both_values_and_the_nearest_comes_first(registry: Registry, tmp_path: Path) -> None:
    config = {**MINI, "version": 2.6, "hidden_size": 96, "vocab_size": 101}
    candidates = detect_types(registry, registry.families["mini"], tmp_path, config)
    assert not any(candidate.fits for candidate in candidates)
    assert [candidate.name for candidate in candidates[:2]] == ["mini-embedded", "mini-v2_6"]
    told = {candidate.name: candidate.why for candidate in candidates}
    assert told["mini-v2_6"] == "hidden_size is 96, not 64; vocab_size is 101, not 100"
    assert told["mini-v2"] == "version is 2.6, not 2.0; hidden_size is 96, not 64; 1 more"


def test_what_cannot_be_compared_is_the_last_and_a_missing_section_outweighs_numbers(
    registry: Registry, tmp_path: Path
) -> None:
    config = {**MINI, "version": 3, "hidden_size": 96, "num_hidden_layers": 5, "vocab_size": 101}
    *nearer, deep, last = detect_types(registry, registry.families["mini"], tmp_path, config)
    assert (last.name, last.why) == ("mini-somebodys", "version is 3, not 2.6")
    assert deep.name == "mini-deep"
    assert {candidate.name for candidate in nearer} == set(MINIS) - {"mini-deep", "mini-somebodys"}


def test_values_of_any_type_do_no_harm(registry: Registry, tmp_path: Path) -> None:
    odd = {"hidden_size": [64], "llm_config": "none", "vocab_size": {"a": 1}, "version": []}
    config = {"architectures": ["Mini"], **odd}
    write_config(tmp_path / "odd", config)
    candidates = detect_types(registry, registry.families["mini"], tmp_path, read_config(tmp_path / "odd"))
    assert not any(candidate.fits for candidate in candidates)
