"""Which model types are built alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vlmplug.model_build import Build, build_of
from vlmplug.model_type import Licence, ModelType, Shape, Source
from vlmplug.registry import load_registry

CONFIG: dict[str, Any] = {
    "vision_config": {"hidden_size": 64, "norm_type": "layer_norm", "qkv_bias": True, "torch_dtype": "bfloat16"},
    "llm_config": {"architectures": ["ToyForCausalLM"], "rope_scaling": {"type": "dynamic", "factor": 2.0}, "x": None},
}


def model_type(config: dict[str, Any] | None = None, **parts: Any) -> ModelType:
    facts: dict[str, Any] = {
        "name": "toy-1b",
        "family": "toy",
        "plugin": "toy",
        "template": "plain",
        "modalities": ("text",),
        "parameters": 1,
        "context_length": 1,
        "licence": Licence("MIT"),
        "source": Source("option", Path("manifest.yaml"), 1),
        "shape": None if config is None else Shape(config),
    }
    return ModelType(**{**facts, **parts})


def changed(section: str, **parts: Any) -> dict[str, Any]:
    return {**CONFIG, section: {**CONFIG[section], **parts}}


def test_words_and_switches_are_what_counts() -> None:
    assert build_of(model_type(CONFIG)).words == {
        "vision_config.norm_type": "layer_norm",
        "vision_config.qkv_bias": True,
        "llm_config.architectures": ["ToyForCausalLM"],
        "llm_config.rope_scaling.type": "dynamic",
    }


@pytest.mark.parametrize(
    ("config", "parts", "alike"),
    [
        (CONFIG, {}, True),
        (changed("vision_config", hidden_size=128, layers=[1, 2]), {}, True),
        (changed("vision_config", torch_dtype="float32"), {}, True),
        (changed("llm_config", rope_scaling={"type": "dynamic", "factor": 3.0}), {}, True),
        (changed("llm_config", rope_scaling={"type": "linear", "factor": 2.0}), {}, False),
        (changed("llm_config", rope_scaling=None), {}, False),
        (changed("llm_config", architectures=["OtherForCausalLM"]), {}, False),
        (changed("vision_config", qkv_bias=False), {}, False),
        (changed("vision_config", qk_norm=True), {}, False),
        (CONFIG, {"template": "chat"}, False),
    ],
)
def test_what_is_built_alike(config: dict[str, Any], parts: dict[str, Any], alike: bool) -> None:
    assert build_of(model_type(CONFIG)).includes(build_of(model_type(config, **parts))) is alike


def test_a_declaration_counts_numbers_too() -> None:
    one, other = build_of(model_type(CONFIG)), build_of(model_type(changed("vision_config", hidden_size=128)))
    assert one.declaration != other.declaration
    assert one.declaration == build_of(model_type(dict(reversed(CONFIG.items())), name="toy-2b")).declaration


def test_a_checkpoint_in_the_package_is_asked_for_what_the_other_one_says(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "auto_map": {"AutoModel": "x.Y"}}))
    packaged = build_of(model_type(checkpoint=tmp_path))
    assert packaged.whole
    assert build_of(model_type(CONFIG)).includes(packaged)
    assert not build_of(model_type(changed("vision_config", norm_type="rms_norm"))).includes(packaged)


@pytest.mark.parametrize("content", ["", "[1]", "{" * 100_000, "\0"])
def test_a_checkpoint_that_cannot_be_read_has_no_known_build(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    assert build_of(model_type(checkpoint=tmp_path)).words == {}
    assert build_of(model_type(checkpoint=tmp_path / "none")).words == {}


def test_builds_survive_json() -> None:
    build = build_of(model_type(CONFIG))
    again = Build(build.template, json.loads(json.dumps(dict(build.words))), build.declaration, build.whole)
    assert build.includes(again)
    assert again.includes(build)


def test_official_model_types() -> None:
    """Sizes of InternVL2 with one template, one kind of language model and one kind of tower are alike."""
    types = load_registry().model_types
    reference = build_of(types["internvl2-2b"])
    alike = {name for name, entry in types.items() if reference.includes(build_of(entry))}
    assert alike == {"internvl2-2b", "internvl2-8b"}
    assert build_of(types["internvl2-1b"]).includes(build_of(types["internvl2-tiny"]))
    assert not reference.includes(build_of(replace(types["internvl2-8b"], template="phi3-chat")))
