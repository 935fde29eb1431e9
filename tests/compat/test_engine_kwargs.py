"""Engine settings of lmdeploy, as those of this engine."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from vlmplug.compat.swift.engine_kwargs import SwiftEngineSettings
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.errors import EngineOptionError, OptionError


def options(dtype: str = "auto", **changes: Any) -> EngineOptions:
    settings = {"tp": 1, "cache_max_entry_count": 0.8, "quant_policy": 0, "vision_batch_size": 1, "engine_kwargs": {}}
    return SwiftEngineSettings(**{**settings, **changes}).options(dtype)


def test_nothing_is_the_engine_s_own() -> None:
    assert options() == EngineOptions()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tp": 2}, EngineOptions(tp=2)),
        ({"cache_max_entry_count": 0.3}, EngineOptions(cache_share=0.3)),
        ({"cache_max_entry_count": 64}, EngineOptions(scheduler=SchedulerOptions(kv_blocks=64))),
        ({"quant_policy": 8}, EngineOptions(quant_policy=8)),
        ({"vision_batch_size": 16}, EngineOptions()),
        ({"dtype": "float16"}, EngineOptions(dtype="float16")),
    ],
)
def test_parameters(given: dict[str, Any], expected: EngineOptions) -> None:
    assert options(**given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"session_len": 4096}, EngineOptions(session_length=4096)),
        ({"dtype": "bfloat16"}, EngineOptions(dtype="bfloat16")),
        ({"dtype": "torch.float16"}, EngineOptions(dtype="float16")),
        ({"device_type": "cpu"}, EngineOptions(device="cpu")),
        ({"max_batch_size": 8}, EngineOptions(scheduler=SchedulerOptions(max_batch_size=8))),
        ({"max_batch_size": 0, "session_len": 0}, EngineOptions()),
        ({"cache_block_seq_len": 128}, EngineOptions(scheduler=SchedulerOptions(block_size=128))),
        ({"enable_prefix_caching": False}, EngineOptions(scheduler=SchedulerOptions(prefix_caching=False))),
        ({"max_prefill_token_num": 512}, EngineOptions(scheduler=SchedulerOptions(max_prefill_tokens=512))),
        ({"eager_mode": True}, EngineOptions(scheduler=SchedulerOptions(eager=True))),
        ({"tp": 4, "quant_policy": 4, "cache_max_entry_count": 0.1}, EngineOptions()),
        ({"model_format": "hf", "rope_scaling_factor": 0.0, "adapters": None}, EngineOptions()),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_engine_kwargs(given: dict[str, Any], expected: EngineOptions) -> None:
    before = dict(given)
    assert options(engine_kwargs=given) == expected
    assert given == before


def test_settings_of_speed_alone_are_noted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert options(engine_kwargs={"num_tokens_per_iter": 512}) == EngineOptions()
    assert "num_tokens_per_iter" in caplog.text


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"engine_kwargs": {"session_length": 9}}, OptionError, "takes no 'session_length'. Did you mean session_len"),
        ({"engine_kwargs": {"adapters": {"a": "b"}}}, OptionError, "adapters=.* cannot be had here. Merge"),
        ({"engine_kwargs": {"model_format": "awq"}}, OptionError, "model_format='awq' cannot be had"),
        ({"engine_kwargs": {"revision": "v1"}}, OptionError, "revision='v1' cannot be had .*get_lmdeploy_engine"),
        ({"engine_kwargs": [1]}, OptionError, "engine_kwargs is a list"),
        ({"engine_kwargs": {"dtype": "int8"}}, EngineOptionError, "dtype is 'int8'"),
        ({"vision_batch_size": 0}, OptionError, "vision_batch_size is 0"),
        ({"tp": 0}, EngineOptionError, "tp is 0"),
        ({"cache_max_entry_count": 0}, EngineOptionError, "cache_share is 0"),
        ({"quant_policy": 5}, EngineOptionError, "quant_policy is 5"),
    ],
)
def test_what_cannot_be_had(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        options(**given)
