"""True shapes cut down for quick runs on GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ranks import longer
from benchmarks.shape_cut import ShapeCut
from tests.engine.test_other_devices import SETS, TOKENIZERS
from vlmplug.engine.settings import head_size
from vlmplug.engine.tower_weights import tower_shapes
from vlmplug.model import EngineInput, FamilyModel
from vlmplug.pipeline import open_preparer
from vlmplug.registry import Registry, load_registry
from vlmplug.shape_folder import write_shape_folder


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def opened(registry: Registry, model_type: str, cut: ShapeCut, folder: Path) -> FamilyModel:
    folder.mkdir()
    write_shape_folder(registry, model_type, SETS / TOKENIZERS[model_type], folder)
    cut.apply(folder)
    return open_preparer(model_type, folder, registry).model


@pytest.mark.parametrize("model_type", TOKENIZERS)
def test_fewer_layers_and_smaller_heads_of_the_same_widths(registry: Registry, model_type: str, tmp_path: Path) -> None:
    whole = opened(registry, model_type, ShapeCut(), tmp_path / "whole")
    cut = opened(registry, model_type, ShapeCut(layers=4, head_parts=2), tmp_path / "cut")
    assert cut.text_config["num_hidden_layers"] == 4
    assert (head_size(whole.text_config), head_size(cut.text_config)) == (128, 64)
    for name in ("hidden_size", "vocab_size", "intermediate_size"):
        assert cut.text_config[name] == whole.text_config[name]
    keys = [model.text_config["num_key_value_heads"] * head_size(model.text_config) for model in (whole, cut)]
    assert keys[0] == keys[1]
    shapes = tower_shapes(whole.tower)
    assert tower_shapes(cut.tower).items() <= shapes.items()


def test_sections_of_towers_keep_their_heads() -> None:
    config = {
        "num_layers": 40,
        "kv_channels": 128,
        "num_attention_heads": 32,
        "vision_config": {"num_hidden_layers": 63, "num_attention_heads": 16},
        "high_res_vision_config": {"num_hidden_layers": 12, "global_attn_indexes": [2, 5]},
    }
    assert ShapeCut(2, 2).of(config) == {
        "num_layers": 2,
        "kv_channels": 64,
        "num_attention_heads": 64,
        "vision_config": {"num_hidden_layers": 2, "num_attention_heads": 16},
        "high_res_vision_config": {"num_hidden_layers": 12, "global_attn_indexes": [2, 5]},
    }
    assert ShapeCut().of(config) == config


@pytest.mark.parametrize(("given", "own"), [(None, None), ((0, 1, 1, 2), (0, 1, 1, 2, 3, 4))])
def test_positions_of_forced_tokens_count_on(given: tuple[int, ...] | None, own: tuple[int, ...] | None) -> None:
    prompt = longer(EngineInput((5, 6, 6, 7), position_ids=given), (8, 9))
    assert (prompt.input_ids, prompt.position_ids) == ((5, 6, 6, 7, 8, 9), own)
