"""What is read out of an official ``config.json``, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugins.glm4v.tests.conftest import Load
from vlmplug.config_json import read_config
from vlmplug.errors import CheckpointMismatchError, TokenizerError
from vlmplug.model import FamilyModel
from vlmplug_glm4v.config import checked, text_config


def vision(folder: Path, **changes: Any) -> dict[str, Any]:
    return {**read_config(folder)["vision_config"], **changes}


def test_a_model_says_what_its_files_say(model: FamilyModel) -> None:
    assert (model.context_length, model.dtype) == (1024, "float32")
    assert model.stop_ids == (620, 627, 629)
    assert (model.placeholder_id, model.placeholder_edges) == (620, (630, 631))
    assert (model.settings.image_size, model.settings.image_tokens) == (112, 18)
    assert (model.sampling.temperature, model.sampling.top_p) == (0.8, 0.8)
    assert model.own_positions and model.tool_use


def test_sizes_stand_under_both_names(model: FamilyModel) -> None:
    text = model.text_config
    pairs = (
        ("num_layers", "num_hidden_layers"),
        ("ffn_hidden_size", "intermediate_size"),
        ("kv_channels", "head_dim"),
        ("padded_vocab_size", "vocab_size"),
        ("multi_query_group_num", "num_key_value_heads"),
        ("seq_length", "max_position_embeddings"),
    )
    assert all(text[official] == text[usual] for official, usual in pairs)
    assert "vision_config" not in text and "auto_map" not in text


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"rope_ratio": 500}, "rope_parameters", {"rope_type": "default", "rope_theta": 5_000_000.0}),
        ({"rope_ratio": None}, "rope_parameters", {"rope_type": "default", "rope_theta": 10_000.0}),
        ({"multi_query_attention": False}, "num_key_value_heads", 4),
        ({"add_qkv_bias": None}, "add_qkv_bias", False),
        ({"layernorm_epsilon": None}, "layernorm_epsilon", 1e-5),
    ],
)
def test_official_defaults(changes: dict[str, Any], field: str, value: object, golden: Path) -> None:
    config = {key: part for key, part in {**read_config(golden / "tiny"), **changes}.items() if part is not None}
    assert text_config(checked(config))[field] == value


@pytest.mark.parametrize("architecture", ["ChatGLMModel", "ChatGLMForConditionalGeneration"])
def test_files_that_were_saved_name_another_architecture(architecture: str, load: Load) -> None:
    assert load(architectures=[architecture]).context_length == 1024


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"architectures": ["Glm4vForConditionalGeneration"]}, "names the architecture Glm4vForConditionalGeneration"),
        ({"architectures": None}, "names the architecture none"),
        ({"vision_config": None}, "has no vision_config"),
        ({"quantization_config": {"quant_method": "awq"}}, r"quantised \(awq\)"),
        ({"num_layers": None}, "config.json has no num_layers"),
        ({"hidden_size": "64"}, "hidden_size is '64'"),
        ({"num_layers": True}, "num_layers is True"),
        ({"seq_length": 0}, "seq_length is 0"),
        ({"kv_channels": 32}, "kv_channels is 32"),
        ({"multi_query_group_num": 3}, "num_attention_heads is 4, expected a multiple"),
        ({"rmsnorm": False}, "rmsnorm is False, expected True"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is True"),
        ({"apply_residual_connection_post_layernorm": True}, "apply_residual_connection_post_layernorm is True"),
        ({"rope_ratio": -1}, "rope_ratio is -1"),
        ({"torch_dtype": "int8"}, "data type 'int8'"),
        ({"padded_vocab_size": 600}, "has 634 tokens, the language model 600"),
    ],
)
def test_what_is_refused_of_the_language_model(changes: dict[str, Any], says: str, load: Load) -> None:
    with pytest.raises(CheckpointMismatchError, match=says):
        load(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image_size": 126}, "image_size is 126, expected a multiple of two patches"),
        ({"num_positions": 64}, "num_positions is 64, expected 65"),
        ({"num_heads": 5}, "hidden_size is 48, expected a multiple of num_heads"),
        ({"scaling_factor": None}, "vision_config of config.json has no scaling_factor"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu', expected 'gelu'"),
        ({"in_channels": 1}, "in_channels is 1"),
        ({"layer_norm_eps": 0}, "layer_norm_eps is 0"),
    ],
)
def test_what_is_refused_of_the_tower(changes: dict[str, Any], says: str, load: Load, golden: Path) -> None:
    with pytest.raises(CheckpointMismatchError, match=says):
        load(vision_config=vision(golden / "tiny", **changes))


def test_a_tokenizer_of_another_kind_is_refused(load: Load, golden: Path, tmp_path: Path) -> None:
    for file in (golden / "tiny").iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "tokenizer.model").unlink()
    (tmp_path / "tokenizer.model").write_bytes(b"\n\x0esentencepiece")
    with pytest.raises(TokenizerError, match=r"tokenizer\.model:2: no token in base64"):
        load(tmp_path)
