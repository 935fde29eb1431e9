"""Where weights go; all names of the reference checkpoint find their place."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import safe_open

from plugins.minicpm_v.tests.conftest import Load
from vlmplug.engine.language_shapes import language_shapes
from vlmplug.import_path import load as load_path
from vlmplug_minicpm_v.weights import route_weight

INV_FREQ = "llm.model.layers.0.self_attn.rotary_emb.inv_freq"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("llm.model.embed_tokens.weight", ("language", "model.embed_tokens.weight")),
        ("llm.lm_head.weight", ("language", "lm_head.weight")),
        ("vpm.post_layernorm.bias", ("vision", "vpm.post_layernorm.bias")),
        ("resampler.proj", ("vision", "resampler.proj")),
        (INV_FREQ, ("unused", INV_FREQ)),
        ("apm.conv1.weight", ("vision", "apm.conv1.weight")),
    ],
)
def test_routes(name: str, expected: tuple[str, str]) -> None:
    assert route_weight(name) == expected


def test_tower_and_language_model_get_exactly_their_weights(golden: Path, load: Load) -> None:
    model = load("tiny_2_5")
    tower = load_path(model.tower.builder)(model.tower.config)
    with safe_open(golden / "tiny_2_5" / "model.safetensors", "numpy") as file:
        stored = {route_weight(name): tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    vision = {("vision", name): tuple(tensor.shape) for name, tensor in tower.state_dict().items()}
    assert stored == vision | {("language", name): shape for name, shape in language_shapes(model.text_config).items()}
