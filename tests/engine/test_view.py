"""The engine view is all that lmdeploy reads: our configuration, a fast tokenizer, links to the weights."""

from __future__ import annotations

import json
from dataclasses import replace

from transformers import AutoConfig, AutoTokenizer

from vlmplug.engine import config as _registered  # noqa: F401
from vlmplug.engine.options import EngineOptions
from vlmplug.engine.view import EngineView
from vlmplug.model import FamilyModel


def test_transformers_reads_it_without_remote_code(model: FamilyModel) -> None:
    view = EngineView(model, EngineOptions(), "float32")
    config = AutoConfig.from_pretrained(view.folder, trust_remote_code=False)
    assert config.architectures == ["VlmplugForConditionalGeneration"]
    assert config.text_config.model_type == "internlm2"
    assert config.text_config.rope_parameters["rope_theta"] == 1_000_000
    assert "auto_map" not in json.loads((view.folder / "config.json").read_text())
    view.remove()


def test_the_tokenizer_in_it_is_the_familys(model: FamilyModel) -> None:
    view = EngineView(model, EngineOptions(), "float32")
    tokenizer = AutoTokenizer.from_pretrained(view.folder, trust_remote_code=False)
    text = "Hello world, wie geht's? 图片 ☕"
    assert tokenizer.encode(text, add_special_tokens=False) == model.tokenizer.encode_text(text)
    view.remove()


def test_weights_are_links_and_survive_removal(model: FamilyModel) -> None:
    view = EngineView(model, EngineOptions(), "float32")
    link = view.folder / "model.safetensors"
    assert link.is_symlink() and link.resolve() == (model.folder / "model.safetensors").resolve()
    view.remove()
    assert not view.folder.exists() and (model.folder / "model.safetensors").exists()
    view.remove()


def test_the_padding_row_is_not_named_so_that_it_keeps_its_weights(model: FamilyModel) -> None:
    padded = replace(model, text_config={**model.text_config, "pad_token_id": 2})
    view = EngineView(padded, EngineOptions(), "float32")
    assert json.loads((view.folder / "config.json").read_text())["text_config"]["pad_token_id"] is None
    view.remove()


def test_random_weights_need_no_files(model: FamilyModel) -> None:
    view = EngineView(replace(model, folder=model.folder / "nowhere"), EngineOptions(weights="random"), "float32")
    assert not (view.folder / "model.safetensors").is_symlink()
    view.remove()
