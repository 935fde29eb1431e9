"""Where weights go; all names of the reference checkpoint find their place, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from plugins.glm4v.tests.conftest import Load
from tests.changed_weights import Change, with_another, without, write_changed
from vlmplug.engine.tower_weights import tower_shapes
from vlmplug.engine.weights import check_weights
from vlmplug.errors import WeightsError
from vlmplug.model import FamilyModel
from vlmplug_glm4v.weights import route_weight

LAYER = "transformer.encoder.layers.1"
VISION = "transformer.vision.transformer.layers.2"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{LAYER}.self_attention.query_key_value.bias", "language"),
        (f"{LAYER}.mlp.dense_h_to_4h.weight", "language"),
        ("transformer.output_layer.weight", "language"),
        ("lm_head.weight", "language"),
        (f"{VISION}.attention.query_key_value.bias", "vision"),
        ("transformer.vision.linear_proj.dense_h_to_4h.weight", "vision"),
        ("transformer.vision.boi", "vision"),
        ("transformer.rotary_pos_emb.inv_freq", "unused"),
        ("transformer.vision.rotary_pos_emb.inv_freq", "vision"),
    ],
)
def test_routes(name: str, expected: str) -> None:
    part, inner = route_weight(name)
    assert part == expected
    assert inner == (name.removeprefix("transformer.vision.") if expected == "vision" else name)


def test_the_tower_gets_exactly_its_weights(model: FamilyModel) -> None:
    stored = load_file(model.folder / "model.safetensors")
    routed = [(route_weight(name), value.shape) for name, value in stored.items()]
    assert {name: shape for (part, name), shape in routed if part == "vision"} == tower_shapes(model.tower)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without(f"{LAYER}.self_attention.dense.weight"), rf"1 missing \({LAYER}.self_attention.dense.weight"),
        (without("transformer.vision.eoi"), r"1 missing \(transformer.vision.eoi"),
        (with_another("lm_head.weight", 640, 64), r"1 unexpected \(lm_head\.weight"),
        (with_another("transformer.vision.extra.weight", 1), r"1 unexpected \(transformer\.vision\.extra"),
        (with_another(f"{LAYER}.mlp.dense_4h_to_h.weight", 64, 111), r"is \[64, 111\], expected \[64, 112\]"),
        (with_another("transformer.vision.conv.weight", 64, 48, 3, 3), r"expected \[64, 48, 2, 2\]"),
    ],
    ids=["missing", "missing in the tower", "extra", "extra in the tower", "misshapen", "misshapen in the tower"],
)
def test_files_that_do_not_fit_are_named(change: Change, says: str, load: Load, golden: Path, tmp_path: Path) -> None:
    write_changed(golden / "tiny", tmp_path, change)
    with pytest.raises(WeightsError, match=says):
        check_weights(load(tmp_path))
