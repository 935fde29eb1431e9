"""Rotary tables on the CPU are transformers', for every kind of scaling, and nothing is compiled for them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lmdeploy.pytorch.backends.rotary_embedding import RotaryEmbeddingBuildSpec
from lmdeploy.pytorch.nn.rotary_embedding import build_rotary_params
from torch._dynamo.utils import counters
from transformers import LlamaConfig, Phi3Config
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding

from vlmplug.engine.cpu.backend import CpuOpsBackend

WIDTH = 16

SCALINGS: dict[str, dict[str, Any]] = {
    "none": {"rope_type": "default"},
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 2.0},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    },
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    "longrope": {
        "rope_type": "longrope",
        "short_factor": [1.0 + 0.1 * i for i in range(WIDTH // 2)],
        "long_factor": [2.0 + i for i in range(WIDTH // 2)],
        "original_max_position_embeddings": 100,
    },
}


def built(config: Any) -> torch.nn.Module:
    """The CPU's rotary module of a configuration, by lmdeploy's own reading of it."""
    fields = {"dim": WIDTH, "max_position_embeddings": config.max_position_embeddings, "base": 10000}
    fields |= build_rotary_params(config)
    fields.pop("partial_rotary_factor", None)  # lmdeploy has made it part of the width by now
    return CpuOpsBackend.build_op(RotaryEmbeddingBuildSpec(**fields))


def configured(scaling: str) -> tuple[Any, torch.nn.Module]:
    longrope = scaling == "longrope"
    sizes = {"hidden_size": 4 * WIDTH, "num_attention_heads": 4, "max_position_embeddings": 128, "pad_token_id": None}
    parameters = {"rope_theta": 10000.0, **SCALINGS[scaling]}
    extra = {"original_max_position_embeddings": 100} if longrope else {}
    config = (Phi3Config if longrope else LlamaConfig)(**sizes, **extra, rope_parameters=parameters)
    return config, (Phi3RotaryEmbedding if longrope else LlamaRotaryEmbedding)(config)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("length", [1, 90, 128, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tables(scaling: str, length: int, dtype: torch.dtype) -> None:
    counters.clear()
    config, reference = configured(scaling)
    x, positions = torch.zeros(1, dtype=dtype), torch.arange(length)[None]
    found, want = built(config)(x, positions), reference(x, positions)
    for table, expected in zip(found, want, strict=True):
        assert table.dtype == dtype
        torch.testing.assert_close(table, expected)
    assert not counters["frames"], "something was compiled"
