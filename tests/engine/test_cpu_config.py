"""The configuration of an engine on the CPU, and what such an engine refuses."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lmdeploy.messages import PytorchEngineConfig, QuantPolicy
from lmdeploy.pytorch.backends.lora import LoRABuildSpec
from lmdeploy.pytorch.backends.moe import FusedMoEBuildSpec, SoftmaxTopKBuildSpec
from lmdeploy.pytorch.engine import Engine

from vlmplug.engine.cpu.backend import CpuOpsBackend
from vlmplug.engine.cpu.config import CpuEngineConfig, CpuEngineOptions, cpu_engine_config
from vlmplug.engine.cpu.install import install
from vlmplug.engine.cpu.threads import usable_cores
from vlmplug.errors import EngineMemoryError, EngineOptionError

from .driver import Driver
from .tiny_models import TinyModel, prompt

OPTIONS = CpuEngineOptions(kv_cache_bytes=1 << 20, threads=1)


def test_it_is_lmdeploys_own_kind_and_survives_copies() -> None:
    options = CpuEngineOptions(
        1 << 22, "bfloat16", session_len=99, max_batch_size=3, block_size=32, prefix_caching=True, threads=2
    )
    config = cpu_engine_config(options)
    for version in (config, copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert isinstance(version, PytorchEngineConfig)
        assert (version.device_type, version.dtype, version.tp) == ("cpu", "bfloat16", 1)
        assert (version.session_len, version.max_batch_size, version.block_size) == (99, 3, 32)
        assert (version.kv_cache_bytes, version.threads, version.enable_prefix_caching) == (1 << 22, 2, True)


def test_all_usable_cores_unless_told_otherwise() -> None:
    assert cpu_engine_config(CpuEngineOptions(1 << 20)).threads == usable_cores()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dtype": "auto"}, "dtype='auto'"),
        ({"dtype": "int8"}, "dtype='int8'"),
        ({"block_size": 8}, "block_size=8"),
        ({"block_size": 48}, "block_size=48"),
        ({"kv_cache_bytes": 0}, "no memory"),
        ({"max_batch_size": 0}, "max_batch_size=0"),
        ({"max_prefill_token_num": 0}, "max_prefill_token_num=0"),
        ({"threads": 0}, "threads=0"),
    ],
)
def test_options_out_of_range(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(EngineOptionError, match=named):
        cpu_engine_config(dataclasses.replace(OPTIONS, **changes))


def block_bytes(driver: Driver) -> int:
    return driver.engine.executor.model_agent.block_cache_plan.logical_block_nbytes


def test_the_cache_takes_the_bytes_that_it_was_given(drivers: Callable[..., Driver]) -> None:
    driver = drivers("llama")
    blocks = driver.engine.cache_config.num_gpu_blocks
    layers, keys_and_values, key_heads, width, float32 = 2, 2, 2, 16, 4
    assert block_bytes(driver) == 16 * layers * keys_and_values * key_heads * width * float32
    assert blocks == (4 << 20) // block_bytes(driver)


def refused(model: TinyModel, change: Callable[[CpuEngineConfig], object]) -> None:
    install()
    config = cpu_engine_config(OPTIONS)
    change(config)
    Engine(str(model.folder), config)


def test_too_few_bytes_for_a_cache(tiny: Callable[[str], TinyModel]) -> None:
    with pytest.raises(EngineMemoryError, match="100 bytes hold 0 blocks"):
        refused(tiny("llama"), lambda config: setattr(config, "kv_cache_bytes", 100))


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("adapters", {"own": "."}, r"adapters \(LoRA\)"),
        ("quant_policy", QuantPolicy.INT8, "quantised keys and values"),
    ],
)
def test_engines_refuse_what_the_cpu_does_not_offer(
    field: str, value: Any, named: str, tiny: Callable[[str], TinyModel]
) -> None:
    with pytest.raises(EngineOptionError, match=named):
        refused(tiny("llama"), lambda config: setattr(config, field, value))


def test_a_configuration_for_another_device_is_refused(tiny: Callable[[str], TinyModel]) -> None:
    install()
    config = PytorchEngineConfig(max_batch_size=1)
    config.device_type, config.dtype = "cpu", "float32"
    with pytest.raises(EngineOptionError, match="cpu_engine_config"):
        Engine(str(tiny("llama").folder), config)


@pytest.mark.parametrize("spec", [FusedMoEBuildSpec, SoftmaxTopKBuildSpec, LoRABuildSpec])
def test_operators_of_experts_and_adapters_are_refused(spec: type) -> None:
    with pytest.raises(EngineOptionError, match=spec.__name__.removesuffix("BuildSpec")):
        CpuOpsBackend.build_op(spec.__new__(spec))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_close(dtype: Any, tiny: Callable[[str], TinyModel]) -> None:
    model, ids = tiny("llama"), prompt(30)
    driver = Driver(model.folder, dataclasses.replace(OPTIONS, dtype=dtype))
    try:
        (answer,) = driver.ask(driver.scoring(ids))
    finally:
        driver.close()
    assert answer.logits is not None
    assert answer.logits.dtype == getattr(torch, dtype)
    want = model.logits(ids)
    assert (answer.logits.float() - want).norm() < 0.03 * want.norm()
