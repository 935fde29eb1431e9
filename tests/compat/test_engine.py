"""``get_lmdeploy_engine``: the attributes that scripts read and set."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compat.conftest import CHECKPOINT, ROOT, SHAPES
from vlmplug.compat.swift import LmdeployEngine, LmdeployGenerationConfig, get_lmdeploy_engine
from vlmplug.compat.swift.engine import ModelConfig, _placed
from vlmplug.errors import CheckpointError, HubError, NoPluginError, OptionError, RegistryError
from vlmplug.registry import load_registry


def test_attributes(engine: LmdeployEngine) -> None:
    assert (engine.model_type, engine.model_dir, engine.is_multimodal) == ("internvl2-tiny", CHECKPOINT, True)
    assert (engine.max_model_len, engine.model_config.llm_config.vocab_size) == (4096, 1280)
    assert isinstance(engine.generation_config, LmdeployGenerationConfig)
    assert (engine.generation_config.temperature, engine.media_options) == (0, {})
    tokenizer = engine.hf_tokenizer
    assert (tokenizer.model_type, tokenizer.model_dir, tokenizer.is_multimodal) == (
        engine.model_type,
        engine.model_dir,
        True,
    )


def test_the_way_on(engine: LmdeployEngine) -> None:
    assert engine.model.generate("How many shapes are there?", images=SHAPES).generated_tokens > 3


def test_the_configuration_of_a_checkpoint() -> None:
    config = ModelConfig({"a": 1, "text": {"b": [2]}})
    assert (config.a, config.text.b, config["text"]["b"], config.get("c")) == (1, [2], [2], None)
    assert list(config) == ["a", "text"]
    assert config.to_dict() == {"a": 1, "text": {"b": [2]}}
    with pytest.raises(AttributeError, match=r"config\.json has no 'c'"):
        config.c  # noqa: B018


@pytest.mark.parametrize(
    ("model_type", "given", "error", "message"),
    [
        ("internvl2-3b", {}, RegistryError, "internvl2-2b"),
        ("llava1_5-7b-instruct", {}, NoPluginError, "no plugin here runs it"),
        (3, {}, OptionError, "model_type is of type int"),
        ("internvl2-tiny", {"torch_dtype": "auto"}, OptionError, "takes no 'torch_dtype'"),
        ("internvl2-tiny", {"engine_kwargs": {"session_length": 3}}, OptionError, "Did you mean session_len"),
        ("internvl2-tiny", {"model_id_or_path": "no/such/folder"}, OptionError, "no folder, and no hub's repository"),
        ("internvl2-tiny", {"model_dir": str(ROOT / "tests")}, CheckpointError, r"config\.json"),
    ],
)
def test_what_cannot_be_loaded(model_type: Any, given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        get_lmdeploy_engine(model_type, **given)


def test_a_hub_that_nobody_may_ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    with pytest.raises(HubError, match="offline"):
        get_lmdeploy_engine("internvl2-2b", model_id_or_path="me/InternVL2-2B-tuned")


@pytest.mark.parametrize(
    ("given", "revision", "ids", "expected"),
    [
        ("me/tuned", None, ("me/tuned", "me/tuned"), (None, "auto")),
        ("me/tuned@v1", None, ("me/tuned", "me/tuned"), ("v1", "auto")),
        ("ms://me/tuned", "v2", ("me/tuned", "me/tuned"), ("v2", "modelscope")),
        ("opengvlab/internvl2-2b", None, ("OpenGVLab/InternVL2-2B", "OpenGVLab/InternVL2-2B"), (None, "auto")),
        (None, "v3", ("OpenGVLab/InternVL2-2B", "OpenGVLab/InternVL2-2B"), ("v3", "auto")),
    ],
)
def test_another_repository(given: str | None, revision: str | None, ids: Any, expected: Any) -> None:
    place = _placed(load_registry(), "internvl2-2b", given, revision)
    assert (place.entry.hub.huggingface, place.entry.hub.modelscope) == ids
    assert (place.hub.revision, place.hub.hub, place.folder) == (*expected, None)
    assert place.registry.model_type("internvl2-2b").hub == place.entry.hub
