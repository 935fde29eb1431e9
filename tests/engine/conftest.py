"""Tiny checkpoints and engines over them, made once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from vlmplug.engine.cpu.config import CpuEngineOptions

from .driver import Driver
from .tiny_models import TinyModel

MEBIBYTE = 1 << 20

VARIANTS: dict[str, CpuEngineOptions] = {
    "plain": CpuEngineOptions(kv_cache_bytes=4 * MEBIBYTE, threads=1),
    "chunked": CpuEngineOptions(kv_cache_bytes=4 * MEBIBYTE, max_prefill_token_num=32, threads=1),
    "prefix": CpuEngineOptions(kv_cache_bytes=4 * MEBIBYTE, prefix_caching=True, threads=1),
    "tight": CpuEngineOptions(kv_cache_bytes=0, num_blocks=24, threads=1),
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TinyModel]:
    """The tiny model of a kind."""
    torch.set_num_threads(1)
    made: dict[str, TinyModel] = {}

    def make(kind: str) -> TinyModel:
        if kind not in made:
            made[kind] = TinyModel(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return make


@pytest.fixture(scope="session")
def drivers(tiny: Callable[[str], TinyModel]) -> Iterator[Callable[[str, str], Driver]]:
    """The engine over a tiny model in one of the variants."""
    made: dict[tuple[str, str], Driver] = {}

    def make(kind: str, variant: str = "plain") -> Driver:
        if (kind, variant) not in made:
            made[kind, variant] = Driver(tiny(kind).folder, VARIANTS[variant])
        return made[kind, variant]

    yield make
    for driver in made.values():
        driver.close()
