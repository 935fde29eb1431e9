"""Engine options say what is wrong with them at once, before torch or lmdeploy is looked at."""

from __future__ import annotations

import pytest

from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.errors import EngineOptionError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("device", "tpu"),
        ("dtype", "int8"),
        ("weights", "none"),
        ("quant_policy", 3),
        ("tp", 0),
        ("tp", "2"),
        ("tp", 1.5),
        ("cache_share", 0),
        ("cache_share", 1),
        ("session_length", 0),
        ("threads", 0),
        ("threads", 1025),
        ("seed", "a"),
        ("seed", 1.5),
        ("seed", True),
    ],
)
def test_engine_option_out_of_range(field: str, value: object) -> None:
    with pytest.raises(EngineOptionError, match=f"{field} is {value}|{field} is '{value}'"):
        EngineOptions(**{field: value})  # type: ignore[arg-type]


def test_a_scheduler_that_is_none() -> None:
    with pytest.raises(EngineOptionError, match="scheduler is of type dict"):
        EngineOptions(scheduler={"eager": True})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_batch_size", 0),
        ("max_prefill_tokens", 0),
        ("block_size", 8),
        ("block_size", 48),
        ("kv_blocks", 15),
        ("tower_tiles", 0),
        ("logprobs_mode", "both"),
    ],
)
def test_scheduler_option_out_of_range(field: str, value: object) -> None:
    with pytest.raises(EngineOptionError, match=field):
        SchedulerOptions(**{field: value})  # type: ignore[arg-type]


def test_an_error_names_what_is_allowed() -> None:
    with pytest.raises(EngineOptionError, match="auto, cuda, cpu"):
        EngineOptions(device="tpu")  # type: ignore[arg-type]


def test_defaults_are_valid() -> None:
    options = EngineOptions()
    assert (options.device, options.dtype, options.tp, options.weights) == ("auto", "auto", 1, "checkpoint")
