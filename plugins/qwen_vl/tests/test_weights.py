"""Where weights go; all names of the reference checkpoint find their place, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

from plugins.qwen_vl.tests.conftest import Load
from tests.changed_weights import Change, with_another, without, write_changed
from vlmplug.engine.tower import load_tower
from vlmplug.engine.tower_weights import tower_shapes
from vlmplug.engine.weights import check_weights
from vlmplug.errors import WeightsError
from vlmplug.model import FamilyModel
from vlmplug_qwen_vl.weights import route_weight

LAYER, OWN = "transformer.h.1", "model.layers.1"
VISION = "transformer.visual"


@pytest.mark.parametrize(
    ("name", "part", "inner"),
    [
        ("transformer.wte.weight", "language", "model.embed_tokens.weight"),
        ("transformer.ln_f.weight", "language", "model.norm.weight"),
        ("lm_head.weight", "language", "lm_head.weight"),
        (f"{LAYER}.ln_1.weight", "language", f"{OWN}.input_layernorm.weight"),
        (f"{LAYER}.ln_2.weight", "language", f"{OWN}.post_attention_layernorm.weight"),
        (f"{LAYER}.attn.c_attn.weight", "language", f"{OWN}.self_attn.qkv_proj.weight"),
        (f"{LAYER}.attn.c_attn.bias", "language", f"{OWN}.self_attn.qkv_proj.bias"),
        (f"{LAYER}.attn.c_proj.weight", "language", f"{OWN}.self_attn.o_proj.weight"),
        (f"{LAYER}.mlp.w1.weight", "language", f"{OWN}.mlp.up_proj.weight"),
        (f"{LAYER}.mlp.w2.weight", "language", f"{OWN}.mlp.gate_proj.weight"),
        (f"{LAYER}.mlp.c_proj.weight", "language", f"{OWN}.mlp.down_proj.weight"),
        (f"{VISION}.proj", "vision", "proj"),
        (
            f"{VISION}.transformer.resblocks.0.mlp.c_proj.weight",
            "vision",
            "transformer.resblocks.0.mlp.c_proj.weight",
        ),
    ],
)
def test_routes(name: str, part: str, inner: str) -> None:
    assert route_weight(name) == (part, inner)


@pytest.mark.parametrize("name", [f"{OWN}.mlp.up_proj.weight", "model.norm.weight", f"{LAYER}.attn.qkv.weight"])
def test_names_that_are_not_official_lead_nowhere(name: str) -> None:
    assert route_weight(name) == ("language", f"not official: {name}")


def test_the_tower_gets_exactly_its_weights(model: FamilyModel) -> None:
    stored = load_file(model.folder / "model.safetensors")
    routed = [(route_weight(name), value.shape) for name, value in stored.items()]
    assert {name: shape for (part, name), shape in routed if part == "vision"} == tower_shapes(model.tower)


def test_files_may_lack_the_positions_of_the_queries(load: Load, golden: Path, tmp_path: Path) -> None:
    write_changed(golden / "tiny", tmp_path, without(f"{VISION}.attn_pool.pos_embed"))
    computed, stored = (load_tower(load(folder)).state_dict() for folder in (tmp_path, golden / "tiny"))
    for name, value in stored.items():
        torch.testing.assert_close(computed[name], value, atol=1e-6 if name.endswith("pos_embed") else 0, rtol=0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without(f"{LAYER}.attn.c_attn.bias"), rf"1 missing \({LAYER}.attn.c_attn.bias\)"),
        (without(f"{VISION}.attn_pool.query"), rf"1 missing \({VISION}.attn_pool.query\)"),
        (with_another("model.norm.weight", 256), r"1 unexpected \(model\.norm\.weight"),
        (with_another(f"{LAYER}.attn.c_proj.bias", 256), rf"1 unexpected \({LAYER}.attn.c_proj.bias"),
        (with_another(f"{VISION}.extra.weight", 1), r"1 unexpected \(transformer\.visual\.extra"),
        (with_another(f"{LAYER}.attn.c_attn.weight", 256, 256), r"is \[256, 256\], expected \[768, 256\]"),
        (with_another(f"{VISION}.attn_pool.query", 64, 256), r"expected \[256, 256\]"),
    ],
    ids=["missing", "missing in the tower", "extra", "bias", "extra in the tower", "misshapen", "queries"],
)
def test_files_that_do_not_fit_are_named(change: Change, says: str, load: Load, golden: Path, tmp_path: Path) -> None:
    write_changed(golden / "tiny", tmp_path, change)
    with pytest.raises(WeightsError, match=says):
        check_weights(load(tmp_path))
