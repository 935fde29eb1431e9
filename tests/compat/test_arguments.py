"""``InferArguments``: the arguments of ``swift infer``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import CHECKPOINT
from vlmplug.compat.swift import InferArguments
from vlmplug.compat.swift.arguments import _IDLE, _REFUSED
from vlmplug.errors import CheckpointError, OptionError, RegistryError


def test_what_is_found_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        arguments = InferArguments("internvl2-tiny")
    assert (arguments.template_type, arguments.infer_backend, arguments.sft_type) == ("internvl2", "lmdeploy", "full")
    assert (arguments.max_new_tokens, arguments.seed, arguments.tp) == (2048, 42, 1)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("given", "model_type"),
    [
        ({"model_id_or_path": "OpenGVLab/InternVL2-2B"}, "internvl2-2b"),
        ({"model_id_or_path": "opengvlab/internvl2-2b"}, "internvl2-2b"),
        ({"model_id_or_path": CHECKPOINT}, "internvl2-tiny"),
        ({"ckpt_dir": CHECKPOINT}, "internvl2-tiny"),
        ({"model_type": "internvl2-1b", "ckpt_dir": CHECKPOINT}, "internvl2-1b"),
    ],
)
def test_the_model_type(given: dict[str, Any], model_type: str) -> None:
    assert InferArguments(**given).model_type == model_type


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Neither model_type nor model_id_or_path"),
        ({"model_id_or_path": "me/unknown"}, "'me/unknown' is not registered. Set model_type"),
    ],
)
def test_no_model_type_as_in_swift(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InferArguments(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"infer_backend": "vllm"}, "infer_backend is 'vllm'"),
        ({"quantization_bit": 4}, "lmdeploy does not support bnb"),
        ({"merge_lora": True}, "merge_lora=True cannot be had here. Merge the adapters"),
        ({"num_beams": 2}, "num_beams=2 cannot be had"),
        ({"custom_register_path": "mine.py"}, "custom_register_path='mine.py' cannot be had .*register_model"),
        ({"dtype": "float16"}, "dtype is 'float16'. Use one of AUTO, bf16, fp16, fp32"),
        ({"truncation_strategy": "right"}, "truncation_strategy is 'right'"),
        ({"model_kwargs": "{"}, "model_kwargs is no JSON"),
        ({"model_kwargs": "[1]"}, r"model_kwargs is '\[1\]'"),
    ],
)
def test_what_cannot_be_followed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        InferArguments("internvl2-tiny", **given)


def test_names_that_swift_does_not_have() -> None:
    with pytest.raises(TypeError, match="max_tokens"):
        InferArguments("internvl2-tiny", max_tokens=3)  # type: ignore[call-arg]
    with pytest.raises(RegistryError):
        InferArguments("internvl2-3b")


def test_weights_that_are_not_complete(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"holds LoRA weights \(adapter_config\.json\)\. Merge"):
        InferArguments("internvl2-tiny", ckpt_dir=str(tmp_path))
    with pytest.raises(CheckpointError, match="is no folder"):
        InferArguments("internvl2-tiny", ckpt_dir=str(tmp_path / "missing"))


def test_what_changes_nothing_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        InferArguments("internvl2-tiny", use_flash_attn=True, val_dataset=["a.jsonl"])
    assert "val_dataset, use_flash_attn: these change nothing here" in caplog.text


def test_media_settings() -> None:
    assert InferArguments("internvl2-tiny", model_kwargs='{"max_num": 6}').media_settings == {"max_num": 6}
    assert InferArguments("internvl2-tiny").media_settings == {}


def test_every_field_is_accounted_for() -> None:
    """A field is followed, refused, or noted as idle; none is dropped in silence, as swift dropped ``stop_words``."""
    followed = {
        *("model_type", "model_id_or_path", "model_revision", "template_type", "infer_backend", "ckpt_dir", "seed"),
        *("dtype", "model_kwargs", "system", "max_length", "truncation_strategy", "max_new_tokens", "do_sample"),
        *("temperature", "top_k", "top_p", "repetition_penalty", "stop_words", "tp", "cache_max_entry_count"),
        *("quant_policy", "vision_batch_size"),
    }
    others = {"sft_type", "stream", "verbose"}  # read by whoever runs the loop over questions
    names = set(InferArguments.__dataclass_fields__)
    assert names == followed | set(_REFUSED) | set(_IDLE) | others
    assert not followed & {*_REFUSED, *_IDLE}
