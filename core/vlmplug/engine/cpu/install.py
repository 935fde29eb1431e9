"""Teach lmdeploy the device ``cpu``, once per process.

Names in lmdeploy's own modules are replaced, each by something that asks for the current device first and hands
everything but the CPU to what was there before. Nothing outside lmdeploy is touched.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from vlmplug.engine.compatibility import Installation, Needed

_AGENT = "lmdeploy.pytorch.engine.model_agent.agent"
_CACHE = "lmdeploy.pytorch.engine.cache_engine.engine"
_ENGINE = "lmdeploy.pytorch.engine.engine"
_EXECUTORS = ("lmdeploy.pytorch.engine.executor.uni_executor", "lmdeploy.pytorch.engine.executor.base_worker")
_LOGITS = "lmdeploy.pytorch.engine.logits_process"
_SELECTOR = "lmdeploy.pytorch.backends.selector"
_DEFAULT_ROTARY = "lmdeploy.pytorch.backends.default.rotary_embedding"

NEEDED = (
    Needed("lmdeploy.messages", "PytorchEngineConfig"),
    Needed("lmdeploy.pytorch.backends.default", "DefaultOpsBackend.build_op", ("spec", "enable_deterministic")),
    Needed("lmdeploy.pytorch.backends.awq_modules", "LinearW4A16BuildSpec", ("w_bit",)),
    Needed(_DEFAULT_ROTARY, "_build_rotary_embedding", ("spec",)),
    Needed(_DEFAULT_ROTARY, "LlamaDynamicNTKScalingRotaryEmbedding._ntk_inv_freq", ("seq_len",)),
    Needed(_SELECTOR, "_get_backend"),
    Needed("lmdeploy.pytorch.devices", "DefaultContext"),
    Needed("lmdeploy.pytorch.devices", "get_device_manager"),
    Needed(_AGENT, "BaseModelAgent._async_model_forward", ("inputs", "return_logits", "cache_inputs")),
    Needed(_AGENT, "BaseModelAgent._forward_impl", ("inputs", "cache_inputs")),
    Needed(_AGENT, "BaseModelAgent._get_input_logits", ("hidden_states", "inputs")),
    Needed(_AGENT, "BaseModelAgent._is_prefill_input_logprobs", ("inputs",)),
    Needed(_AGENT, "BaseModelAgent._postprocess_forward_output", ("output", "inputs")),
    Needed(_AGENT, "BaseModelAgent.all_context"),
    Needed(_AGENT, "BaseModelAgent.build_cache_engine"),
    Needed(_AGENT, "BaseModelAgent.build_cache_plans", ("cache_config", "spec_cache_config")),
    Needed(_AGENT, "BaseModelAgent.get_free_mem"),
    Needed(_AGENT, "BaseModelAgent.release"),
    Needed(_AGENT, "BaseModelAgent.warmup"),
    Needed(_AGENT, "_record_forward_input_stream", ("forward_inputs", "stream")),
    Needed(_AGENT, "_try_to_cuda", ("val", "non_blocking")),
    Needed(_AGENT, "torch"),
    Needed(_CACHE, "CacheEngine._build_block_cache_view", ("caches",)),
    Needed(_CACHE, "CacheEngine._build_model_layer_cache", ("caches",)),
    Needed(_CACHE, "CacheEngine.allocate_gpu_cache"),
    Needed(_CACHE, "torch"),
    Needed("lmdeploy.pytorch.engine.config_builder", "ConfigBuilder.build_backend_config", ("engine_config",)),
    Needed(_ENGINE, "EngineChecker.handle"),
    *(Needed(executor, "build_model_agent", ("device_ctx", "backend_config", "dist_ctx")) for executor in _EXECUTORS),
    Needed(_LOGITS, "torch"),
)
"""All of lmdeploy that the CPU device relies on."""


def _install() -> None:
    # these modules subclass lmdeploy's classes: they can be imported only after the check
    from vlmplug.engine.cpu.agent import to_cpu
    from vlmplug.engine.cpu.backend import CpuOpsBackend
    from vlmplug.engine.cpu.stand_in import TorchView

    _replace(_SELECTOR, "_get_backend", lambda theirs: _on_cpu_else(lambda: CpuOpsBackend, theirs))
    _replace(_AGENT, "_try_to_cuda", lambda theirs: _on_cpu_else(to_cpu, theirs))
    _replace(_AGENT, "_record_forward_input_stream", lambda theirs: _on_cpu_else(_no_streams, theirs))
    for module in (_AGENT, _CACHE, _LOGITS):
        _replace(module, "torch", lambda theirs: TorchView())
    _replace(_ENGINE, "EngineChecker", _checker)
    for executor in _EXECUTORS:
        _replace(executor, "build_model_agent", _agent_builder)
    _replace_backend_config()


def _replace(module: str, name: str, make: Callable[[Any], Any]) -> None:
    namespace = importlib.import_module(module)
    setattr(namespace, name, make(getattr(namespace, name)))


def _no_streams(forward_inputs: Any, stream: Any) -> None:
    """Tensors in main memory belong to no stream: none of them needs to be looked at."""


def _on_cpu_else(ours: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    from vlmplug.engine.cpu.device import on_cpu

    def by_device(*args: Any, **kwargs: Any) -> Any:
        return (ours if on_cpu() else theirs)(*args, **kwargs)

    return by_device


def _checker(theirs: Any) -> type:
    class DeviceAwareChecker(theirs):  # type: ignore[misc]
        """lmdeploy's check of the environment, which knows nothing of CPUs and ends the process when it fails."""

        def handle(self) -> Any:
            return None if self.engine_config.device_type == "cpu" else super().handle()

    return DeviceAwareChecker


def _agent_builder(theirs: Callable[..., Any]) -> Callable[..., Any]:
    from lmdeploy.pytorch.distributed import get_dist_manager

    from vlmplug.engine.cpu.agent import CpuModelAgent
    from vlmplug.engine.cpu.device import require_free

    def build_model_agent(**arguments: Any) -> Any:
        device_type = arguments["device_ctx"].device_type
        if device_type == "cpu":
            alone = {"dist_ctx": get_dist_manager().current_context()}
            return CpuModelAgent(**{**alone, **arguments})
        require_free(device_type)
        return theirs(**arguments)

    return build_model_agent


def _replace_backend_config() -> None:
    from lmdeploy.pytorch.engine.config_builder import ConfigBuilder

    from vlmplug.engine.cpu.config import CpuEngineConfig, cpu_backend_config

    theirs = ConfigBuilder.build_backend_config

    def build_backend_config(engine_config: Any) -> Any:
        ours = isinstance(engine_config, CpuEngineConfig)
        return cpu_backend_config(engine_config) if ours else theirs(engine_config)

    ConfigBuilder.build_backend_config = staticmethod(build_backend_config)


#: Teaches lmdeploy the device ``cpu``; later calls do nothing.
install = Installation(NEEDED, _install)
