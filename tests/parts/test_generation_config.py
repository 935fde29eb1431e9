"""``generation_config.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlmplug.errors import CheckpointError
from vlmplug.parts.generation_config import GenerationConfig, read_generation_config
from vlmplug.sampling import SamplingDefaults


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, GenerationConfig((), SamplingDefaults())),
        ({"eos_token_id": 5}, GenerationConfig((5,), SamplingDefaults())),
        ({"eos_token_id": [5, 6], "_from_model_config": True}, GenerationConfig((5, 6), SamplingDefaults())),
        (
            {"do_sample": True, "temperature": 0.7, "top_k": 100, "top_p": 0.8, "repetition_penalty": 1.05},
            GenerationConfig((), SamplingDefaults(0.7, 100, 0.8, 1.05, True)),
        ),
    ],
)
def test_what_it_says(tmp_path: Path, content: dict[str, Any], expected: GenerationConfig) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps(content))
    assert read_generation_config(tmp_path) == expected


def test_it_may_be_missing(tmp_path: Path) -> None:
    assert read_generation_config(tmp_path) == GenerationConfig((), SamplingDefaults())


def test_ids_must_be_ids(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": ["<|im_end|>"]}')
    with pytest.raises(CheckpointError, match="eos_token_id"):
        read_generation_config(tmp_path)
