"""Where weights go; all names of the reference checkpoint find their place."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import safe_open

from vlmplug.config_json import read_config
from vlmplug_internvl2.config import checked, tower_config
from vlmplug_internvl2.tower import build_tower
from vlmplug_internvl2.weights import route_weight


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("language_model.model.layers.0.attention.wqkv.weight", ("language", "model.layers.0.attention.wqkv.weight")),
        ("language_model.lm_head.weight", ("language", "lm_head.weight")),
        ("vision_model.encoder.layers.3.ls1", ("vision", "vision_model.encoder.layers.3.ls1")),
        ("mlp1.0.bias", ("vision", "mlp1.0.bias")),
        (
            "language_model.model.layers.0.self_attn.rotary_emb.inv_freq",
            ("unused", "language_model.model.layers.0.self_attn.rotary_emb.inv_freq"),
        ),
    ],
)
def test_routes(name: str, expected: tuple[str, str]) -> None:
    assert route_weight(name) == expected


def test_the_tower_gets_exactly_its_weights(golden: Path) -> None:
    tower = build_tower(tower_config(checked(read_config(golden / "tiny"))))
    with safe_open(golden / "tiny" / "model.safetensors", "numpy") as file:
        routes = [route_weight(name) for name in file.keys()]  # noqa: SIM118 - not a mapping
    assert sorted(name for part, name in routes if part == "vision") == sorted(tower.state_dict())
    assert {part for part, _ in routes} == {"vision", "language"}
