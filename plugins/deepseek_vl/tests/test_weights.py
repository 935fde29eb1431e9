"""Where weights go, in either format; what is missing, left over or misshapen is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from plugins.deepseek_vl.tests.conftest import Load
from vlmplug.engine.weights import check_weights
from vlmplug.errors import WeightsError
from vlmplug_deepseek_vl.tower import build_tower
from vlmplug_deepseek_vl.weights import native, official_hybrid, official_single

Weights = dict[str, npt.NDArray[np.float32]]
LOW, HIGH = "vision_model.vision_tower_low.vision_tower.", "vision_model.vision_tower_high.vision_tower."


@pytest.mark.parametrize(
    ("route", "name", "part", "inner"),
    [
        (official_single, "language_model.model.norm.weight", "language", "model.norm.weight"),
        (official_single, "language_model.lm_head.weight", "language", "lm_head.weight"),
        (official_single, "vision_model.vision_tower.blocks.3.norm1.bias", "vision", "siglip.blocks.3.norm1.bias"),
        (official_single, "aligner.layers.2.bias", "vision", "aligner.layers.2.bias"),
        (official_hybrid, f"{LOW}pos_embed", "vision", "siglip.pos_embed"),
        (official_hybrid, f"{HIGH}neck_hd.0.weight", "vision", "sam.neck_hd.0.weight"),
        (native, "lm_head.weight", "language", "lm_head.weight"),
        (native, "model.language_model.layers.1.mlp.up_proj.weight", "language", "model.layers.1.mlp.up_proj.weight"),
        (native, "model.language_model.embed_tokens.weight", "language", "model.embed_tokens.weight"),
        (native, "model.vision_model.encoder.layers.2.layer_norm1.bias", "vision", "siglip.blocks.2.norm1.bias"),
        (native, "model.vision_model.vision_model.post_layernorm.weight", "vision", "siglip.norm.weight"),
        (native, "model.high_res_vision_alpha", "vision", "sam.hd_alpha_downsamples"),
        (native, "model.aligner.vision_proj.bias", "vision", "aligner.low_up_proj.bias"),
        (native, "model.aligner.high_res_vision_proj.bias", "vision", "aligner.high_up_proj.bias"),
    ],
)
def test_routes(route: Callable[[str], tuple[str, str]], name: str, part: str, inner: str) -> None:
    assert route(name) == (part, inner)


@pytest.mark.parametrize(
    ("route", "name"),
    [
        (official_single, "vision_model.vision_tower.attn_pool.latent"),
        (official_hybrid, f"{LOW}attn_pool.mlp.fc1.weight"),
        (official_hybrid, "vision_model.high_layer_norm.weight"),
        (official_hybrid, "vision_model.low_layer_norm.bias"),
        (official_hybrid, "language_model.model.layers.0.self_attn.rotary_emb.inv_freq"),
        (native, "model.vision_model.vision_model.head.probe"),
        (native, "model.vision_model.head.attention.in_proj_bias"),
    ],
)
def test_what_official_code_never_uses(route: Callable[[str], tuple[str, str]], name: str) -> None:
    assert route(name) == ("unused", name)


@pytest.mark.parametrize(
    ("route", "name"),
    [
        (official_single, f"{LOW}pos_embed"),
        (official_hybrid, "vision_model.vision_tower.pos_embed"),
        (official_hybrid, "vision_model.high_layer_norm.scale"),
        (native, f"{HIGH}pos_embed"),
        (native, "model.vision_model.encoder.layers.2.layer_norm3.bias"),
        (native, "model.aligner.linear3.weight"),
        (native, "score.weight"),
    ],
)
def test_names_that_no_file_has_stay_what_they_are(route: Callable[[str], tuple[str, str]], name: str) -> None:
    assert route(name) == ("vision", name)


@pytest.mark.parametrize("checkpoint", ["golden", "single", "native_hybrid", "native_single"])
def test_the_tower_gets_exactly_its_weights(
    checkpoint: str, load: Load, request: pytest.FixtureRequest, golden: Path
) -> None:
    folder = golden / "tiny_7b" if checkpoint == "golden" else request.getfixturevalue(checkpoint)
    loaded = load(folder)
    route = {"official_single": official_single, "official_hybrid": official_hybrid, "native": native}[
        loaded.weight_route.partition(":")[2]
    ]
    with safe_open(folder / "model.safetensors", "numpy") as file:
        routes = [route(name) for name in file.keys()]  # noqa: SIM118 - not a mapping
    found = [name for part, name in routes if part == "vision"]
    assert sorted(found) == sorted(build_tower(loaded.tower.config).state_dict())
    check_weights(loaded)


def spoilt(folder: Path, target: Path, change: Callable[[Weights], object]) -> Path:
    """A copy of a checkpoint with other weights."""
    shutil.copytree(folder, target, copy_function=shutil.copyfile)
    weights = load_file(target / "model.safetensors")
    change(weights)
    save_file(weights, target / "model.safetensors")
    return target


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda w: w.pop(f"{HIGH}hd_alpha_downsamples"), rf"1 missing \({HIGH}hd_alpha_downsamples\)"),
        (lambda w: w.pop("language_model.lm_head.weight"), r"1 missing \(language_model\.lm_head\.weight\)"),
        (lambda w: w.update({"aligner.extra": w["aligner.layers.1.bias"]}), r"1 unexpected \(aligner\.extra\)"),
        (lambda w: w.update({f"{LOW}attn_pool.fc.bias": w[f"{LOW}norm.bias"]}), r"1 unexpected .*attn_pool\.fc\.bias"),
        (lambda w: w.update({"vision_model.vision_tower.norm.bias": w[f"{LOW}norm.bias"]}), "1 unexpected"),
        (
            lambda w: w.update({f"{LOW}norm.bias": w[f"{LOW}norm.bias"][:3]}),
            r"1 misshapen .*norm\.bias is \[3\], exp.*64",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    golden: Path, tmp_path: Path, load: Load, change: Callable[[Weights], object], named: str
) -> None:
    folder = spoilt(golden / "tiny_7b", tmp_path / "spoilt", change)
    with pytest.raises(WeightsError, match=named):
        check_weights(load(folder))


def test_what_is_never_used_may_be_missing(golden: Path, tmp_path: Path, load: Load) -> None:
    def drop(weights: Weights) -> None:
        for name in [name for name in weights if official_hybrid(name)[0] == "unused"]:
            del weights[name]

    check_weights(load(spoilt(golden / "tiny_7b", tmp_path / "spoilt", drop)))
