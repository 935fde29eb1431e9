"""The text model that a family's decoding is held against: lmdeploy reads it without remote code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.text_model import plain_config, register_configs, write_text_model, write_tokenizer
from tests.engine.test_other_devices import SETS, TOKENIZERS
from vlmplug.engine.language_shapes import language_shapes
from vlmplug.pipeline import open_preparer
from vlmplug.registry import load_registry
from vlmplug.shape_folder import shape_folder


@pytest.mark.parametrize("model_type", TOKENIZERS)
def test_lmdeploy_knows_its_configuration_at_true_size(model_type: str, tmp_path: Path) -> None:
    from lmdeploy.archs import get_task
    from lmdeploy.pytorch.config import ModelConfig
    from lmdeploy.pytorch.models.module_map import MODULE_MAP, REMOVED_MODEL_MAP

    registry = load_registry()
    with shape_folder(registry, model_type, SETS / TOKENIZERS[model_type]) as folder:
        model = open_preparer(model_type, folder, registry).model
    config = plain_config(dict(model.text_config), model.dtype)
    (tmp_path / "config.json").write_text(json.dumps(config))
    register_configs()
    found = ModelConfig.from_pretrained(str(tmp_path), dtype=model.dtype, device_type="cpu")
    assert config["architectures"][0] in MODULE_MAP.keys() - REMOVED_MODEL_MAP.keys()
    assert get_task("pytorch", str(tmp_path))[0] == "llm"
    sizes = (found.num_layers, found.num_attention_heads, found.num_key_value_heads, found.head_dim, found.vocab_size)
    names = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    assert sizes == (*(model.text_config[name] for name in names), 128, model.text_config["vocab_size"])
    assert found.dtype == getattr(torch, model.dtype)


@pytest.mark.parametrize("set_", ["glm4v/tiny", "qwen_vl/tiny", "xcomposer2_5/tiny"])
def test_the_weights_are_whole_and_the_file_is_not(set_: str, tmp_path: Path) -> None:
    model_type = next(name for name, folder in TOKENIZERS.items() if folder == set_)
    text_config = dict(open_preparer(model_type, SETS / set_).model.text_config)
    config = plain_config(text_config, "bfloat16")
    write_text_model(config, tmp_path)
    file = tmp_path / "pytorch_model.bin"
    weights = torch.load(file, weights_only=True)
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == language_shapes(config)
    storages = {weight.untyped_storage().data_ptr() for weight in weights.values() if weight.dim() > 1}
    assert len(storages) == 1
    assert all(bool(weight.isfinite().all()) for weight in weights.values())
    assert not any("Plora" in name for name in weights)


def test_the_tokenizer_has_a_word_for_each_id(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    write_tokenizer(700, tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer) == 700
    assert tokenizer.decode(tokenizer.encode("Count, slowly. 数")) == "Count, slowly. 数"
    assert len(tokenizer.encode("Count")) == 5
    assert None not in tokenizer.convert_ids_to_tokens(range(700))
