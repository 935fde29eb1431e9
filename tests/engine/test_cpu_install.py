"""Teaching lmdeploy the CPU touches lmdeploy only, and lmdeploy on other devices not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lmdeploy.pytorch.backends import selector
from lmdeploy.pytorch.devices import DefaultContext, DeviceContext, get_device_manager
from lmdeploy.pytorch.engine import logits_process
from lmdeploy.pytorch.engine.executor import uni_executor
from lmdeploy.pytorch.engine.model_agent import agent
from lmdeploy.pytorch.engine.model_agent.agent import BaseModelAgent

from vlmplug.engine.compatibility import look_up
from vlmplug.engine.cpu import device, install
from vlmplug.engine.cpu.backend import CpuOpsBackend
from vlmplug.errors import DeviceError

from .driver import Driver

UNTOUCHED = """
import os, sys, torch, torch.cuda
def state():
    modules = {"torch": torch, "torch.cuda": torch.cuda, "torch.nn.functional": torch.nn.functional}
    return {(name, key): id(value) for name, module in modules.items() for key, value in vars(module).items()}, \
        dict(os.environ), torch.get_num_threads(), torch.get_default_dtype()
import lmdeploy.pytorch.engine.engine, lmdeploy.pytorch.engine.executor.uni_executor
import lmdeploy.pytorch.nn, lmdeploy.pytorch.backends.default.rotary_embedding
before = state()
from vlmplug.engine.cpu.install import install
install()
after = state()
assert before[1:] == after[1:]
changed = [key for key in before[0] if before[0][key] != after[0].get(key)]
assert not changed, changed
assert not torch.cuda.is_initialized()
from lmdeploy.pytorch import envs
assert envs.enable_check_env and not envs.skip_warmup
from lmdeploy.pytorch.devices import DefaultContext, get_device_manager
assert get_device_manager().current_context() is DefaultContext
"""


def test_torch_the_environment_and_lmdeploys_flags_stay_as_they_are() -> None:
    free = {name: value for name, value in os.environ.items() if not name.startswith(("LMDEPLOY", "TORCHDYNAMO"))}
    environment = {**free, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", UNTOUCHED], check=True, env=environment, timeout=120)


@pytest.fixture
def on_cuda() -> Any:
    """lmdeploy works for CUDA, although there may be none here."""
    install.install()
    with get_device_manager().context(DeviceContext("cuda")):
        yield


@pytest.fixture
def on_cpu() -> Any:
    """lmdeploy works for the CPU."""
    install.install()
    with get_device_manager().context(DeviceContext("cpu")):
        yield


@pytest.mark.usefixtures("on_cuda")
class TestOnCuda:
    @pytest.mark.parametrize("module", [agent, logits_process])
    def test_lmdeploy_sees_the_real_torch(self, module: Any) -> None:
        for name in ("Stream", "Event", "current_stream", "stream", "synchronize", "empty_cache"):
            assert getattr(module.torch.cuda, name) is getattr(torch.cuda, name)
        assert module.torch.Tensor is torch.Tensor

    def test_inputs_go_where_they_went(self) -> None:
        moved: list[str] = []
        value = SimpleNamespace(to_device=lambda device, non_blocking: moved.append(device))
        agent._try_to_cuda(value)
        assert moved == ["cuda"]

    def test_other_devices_get_their_own_backend(self) -> None:
        with get_device_manager().context(DeviceContext("abacus")), pytest.raises(RuntimeError, match="abacus"):
            selector.get_backend()


@pytest.mark.usefixtures("on_cpu")
class TestOnCpu:
    @pytest.mark.parametrize("module", [agent, logits_process])
    def test_streams_and_events_are_inert(self, module: Any) -> None:
        cuda = module.torch.cuda
        stream, event = cuda.Stream(), cuda.Event()
        event.record(stream)
        with cuda.stream(stream):
            event.wait()
        assert event.query()
        assert stream.query()
        assert stream is not cuda.current_stream()
        assert cuda.is_available is torch.cuda.is_available

    def test_the_backend_is_ours(self) -> None:
        assert selector.get_backend() is CpuOpsBackend
        assert selector.get_backend("cpu") is CpuOpsBackend

    def test_inputs_are_copied(self) -> None:
        ids = torch.arange(3)
        copy = agent._try_to_cuda(ids)
        copy += 1
        assert ids.tolist() == [0, 1, 2]


def test_everything_that_is_relied_on_exists() -> None:
    for row in install.NEEDED:
        assert look_up(row) is not None


def test_installing_again_changes_nothing() -> None:
    install.install()
    before = [look_up(row) for row in install.NEEDED]
    install.install()
    assert [look_up(row) for row in install.NEEDED] == before


class TestOneDeviceAtATime:
    def test_another_device_is_refused_while_a_cpu_engine_lives(self, drivers: Callable[..., Driver]) -> None:
        assert isinstance(drivers("llama").engine.executor.model_agent, BaseModelAgent)
        with pytest.raises(DeviceError, match="device=cuda"):
            uni_executor.build_model_agent(device_ctx=DeviceContext("cuda"))

    def test_the_cpu_is_refused_while_another_engine_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(device, "_residents", 0)
        with get_device_manager().context(DeviceContext("cuda")), pytest.raises(DeviceError, match="on cuda"):
            device.occupy(SimpleNamespace())

    def test_the_device_is_given_back_by_the_last(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Resident:
            pass

        monkeypatch.setattr(device, "_residents", 0)
        monkeypatch.setattr(device, "_before", DefaultContext)
        manager = get_device_manager()
        with manager.context(DefaultContext):
            first, second = Resident(), Resident()
            leave_first, leave_second = device.occupy(first), device.occupy(second)
            leave_first()
            leave_first()
            assert device.on_cpu()
            leave_second()
            assert not device.on_cpu()
            assert manager.current_context() is DefaultContext
