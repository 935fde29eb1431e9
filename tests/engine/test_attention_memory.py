"""Attention in float32 that a GPU has no room for is refused before anything is loaded."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from vlmplug.engine.attention_memory import check_attention_memory, prefill_bytes
from vlmplug.errors import EngineOptionError

#: Bytes that a block may take at the most, by compute capability (NVIDIA, CUDA C++ Programming Guide, table 29).
LIMITS = {(8, 0): 166_912, (8, 6): 101_376, (9, 0): 232_448, (10, 0): 232_448, (12, 0): 101_376}
#: What Triton 3.7 took for lmdeploy's prefill kernel in float32: capability, size of the heads, bytes.
TAKEN = [
    ((8, 0), 32, 147_968),
    ((8, 0), 64, 229_888),
    ((8, 0), 96, 344_064),
    ((8, 0), 128, 393_216),
    ((8, 0), 256, 213_248),
    ((8, 6), 32, 82_432),
    ((8, 6), 64, 131_072),
    ((8, 6), 96, 197_120),
    ((8, 6), 128, 229_888),
    ((8, 6), 256, 139_520),
    ((9, 0), 32, 147_968),
    ((9, 0), 64, 229_888),
    ((9, 0), 96, 344_064),
    ((9, 0), 128, 393_216),
    ((9, 0), 256, 295_424),
    ((10, 0), 64, 131_072),
    ((10, 0), 96, 197_120),
    ((10, 0), 128, 229_888),
    ((12, 0), 32, 82_432),
    ((12, 0), 64, 131_072),
    ((12, 0), 96, 197_120),
    ((12, 0), 128, 229_888),
    ((12, 0), 256, 344_320),
]


def text_config(head: int) -> dict[str, int]:
    return {"num_attention_heads": 16, "hidden_size": 16 * head}


@pytest.fixture
def hopper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is not there."""
    install(monkeypatch, (9, 0))


def install(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], limit: int | None = None) -> None:
    room = LIMITS[capability] if limit is None else limit
    major, minor = capability
    gpu = SimpleNamespace(name="NVIDIA H100", major=major, minor=minor, shared_memory_per_block_optin=room)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: gpu)


@pytest.mark.parametrize(("capability", "head", "taken"), TAKEN)
def test_it_is_refused_where_the_kernel_fails_and_nowhere_else(
    capability: tuple[int, int], head: int, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, capability)
    assert taken / 1.3 < prefill_bytes(head, capability) <= taken or head > 128
    if taken <= LIMITS[capability]:
        check_attention_memory(text_config(head), "float32", "cuda")
    else:
        with pytest.raises(EngineOptionError, match="shared memory"):
            check_attention_memory(text_config(head), "float32", "cuda")


@pytest.mark.usefixtures("hopper")
def test_the_error_says_what_there_is_and_what_to_do() -> None:
    with pytest.raises(EngineOptionError) as caught:
        check_attention_memory({"head_dim": 128, **text_config(64)}, "float32", "cuda")
    assert caught.value.problem == (
        "In float32, attention with heads of 128 takes at least 393,216 bytes of shared memory; a block on the NVIDIA "
        "H100 has 232,448."
    )
    assert caught.value.remedy == "Use dtype bfloat16 or float16."


@pytest.mark.usefixtures("hopper")
@pytest.mark.parametrize(("dtype", "device"), [("bfloat16", "cuda"), ("float16", "cuda"), ("float32", "cpu")])
def test_other_types_and_the_cpu_have_room(dtype: str, device: str) -> None:
    check_attention_memory(text_config(128), dtype, device)


def test_nothing_is_said_of_gpus_without_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, (7, 5), 65_536)
    check_attention_memory(text_config(128), "float32", "cuda")
