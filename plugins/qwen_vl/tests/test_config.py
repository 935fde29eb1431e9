"""What is read out of an official ``config.json``, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugins.qwen_vl.tests.conftest import Load
from vlmplug.config_json import read_config
from vlmplug.errors import CheckpointMismatchError, TokenizerError
from vlmplug.model import FamilyModel, LengthScaling
from vlmplug_qwen_vl.config import checked, length_scaling, text_config


def visual(folder: Path, **changes: Any) -> dict[str, Any]:
    return {**read_config(folder)["visual"], **changes}


def test_a_model_says_what_its_files_say(model: FamilyModel) -> None:
    assert (model.context_length, model.dtype, model.box_scale) == (8192, "float32", 1000)
    assert (model.stop_ids, model.placeholder_id) == ((322, 321, 320), 536)
    assert model.length_scaling == LengthScaling(512, True, True)
    assert model.settings.image_size == 448
    assert (model.sampling.do_sample, model.sampling.top_p, model.sampling.top_k) == (True, 0.3, 0)


def test_the_language_model_is_a_qwen2_with_half_the_inner_size(model: FamilyModel) -> None:
    text = model.text_config
    assert (text["intermediate_size"], text["head_dim"], text["num_key_value_heads"]) == (64, 64, 4)
    assert text["rope_parameters"] == {"rope_type": "default", "rope_theta": 10_000.0}
    assert text["architectures"] == ["Qwen2ForCausalLM"] and "auto_map" not in text


def test_a_text_to_be_continued_ends_at_the_end_of_texts_only(load: Load) -> None:
    assert load(template="raw").stop_ids == (320,)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, LengthScaling(512, True, True)),
        ({"seq_length": None}, LengthScaling(2048, True, True)),
        ({"use_dynamic_ntk": False}, LengthScaling(512, False, True)),
        ({"use_logn_attn": False}, LengthScaling(512, True, False)),
    ],
)
def test_length_scaling_is_that_of_the_file(changes: dict[str, Any], expected: LengthScaling, golden: Path) -> None:
    config = {key: value for key, value in {**read_config(golden / "tiny"), **changes}.items() if value is not None}
    assert length_scaling(checked(config)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"torch_dtype": "bfloat16"}, "bfloat16"),
        ({"torch_dtype": None, "fp32": True}, "float32"),
        ({"torch_dtype": None, "fp32": False, "fp16": True}, "float16"),
        ({"torch_dtype": None, "fp32": False}, "bfloat16"),
    ],
)
def test_the_data_type_stands_in_one_of_two_places(changes: dict[str, Any], expected: str, load: Load) -> None:
    assert load(**changes).dtype == expected


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"architectures": ["Qwen2ForCausalLM"]}, "architecture Qwen2ForCausalLM"),
        ({"visual": None}, "without a vision tower"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, r"quantised \(gptq\)"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"vocab_size": None}, "config.json has no vocab_size"),
        ({"kv_channels": 32}, "kv_channels is 32"),
        ({"intermediate_size": 127}, "intermediate_size is 127"),
        ({"seq_length": 1}, "seq_length is 1"),
        ({"no_bias": False}, "no_bias is False"),
        ({"rotary_pct": 0.5}, "rotary_pct is 0.5"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is True"),
        ({"use_logn_attn": "yes"}, "use_logn_attn is 'yes'"),
        ({"layer_norm_epsilon": -1}, "layer_norm_epsilon is -1"),
        ({"torch_dtype": "int8"}, "data type 'int8'"),
        ({"vocab_size": 500}, "has 537 tokens, the language model 500"),
    ],
)
def test_what_no_official_checkpoint_has_is_refused(changes: dict[str, Any], says: str, load: Load) -> None:
    with pytest.raises(CheckpointMismatchError, match=says):
        load(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"heads": 5}, "width is 48, expected a multiple of heads"),
        ({"image_size": 450}, "image_size is 450"),
        ({"output_dim": 128}, "output_dim is 128"),
        ({"mlp_ratio": None}, "visual of config.json has no mlp_ratio"),
        ({"layers": 2.0}, "layers is 2.0"),
    ],
)
def test_towers_that_make_no_sense_are_refused(changes: dict[str, Any], says: str, load: Load, golden: Path) -> None:
    with pytest.raises(CheckpointMismatchError, match=says):
        load(visual=visual(golden / "tiny", **changes))


def test_a_rank_file_is_needed(load: Load, golden: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to(golden / "tiny" / "config.json")
    with pytest.raises(TokenizerError, match=r"qwen\.tiktoken"):
        load(tmp_path)


def test_nothing_of_the_official_code_is_named(golden: Path) -> None:
    assert "auto_map" not in str(text_config(checked(read_config(golden / "tiny"))))
