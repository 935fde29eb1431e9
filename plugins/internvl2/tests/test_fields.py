"""A ``config.json`` whose numbers make no sense is refused, with the field and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlmplug.config_json import read_config
from vlmplug.errors import CheckpointMismatchError
from vlmplug.model import FamilyModel

Load = Callable[..., FamilyModel]


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("", "downsample_ratio", 0),
        ("", "downsample_ratio", 0.3),
        ("", "ps_version", "v3"),
        ("", "select_layer", 99),
        ("", "select_layer", -5),
        ("", "select_layer", "last"),
        ("", "max_dynamic_patch", 0),
        ("", "force_image_size", "448"),
        ("vision_config", "patch_size", 0),
        ("vision_config", "hidden_size", 50),
        ("vision_config", "num_hidden_layers", None),
        ("llm_config", "hidden_size", "64"),
        ("llm_config", "num_attention_heads", 0),
        ("llm_config", "num_attention_heads", 5),
        ("llm_config", "num_key_value_heads", 4),
        ("llm_config", "vocab_size", True),
        ("llm_config", "rope_scaling", "dynamic"),
        ("llm_config", "rope_scaling", {"type": "other"}),
        ("llm_config", "rope_scaling", {"type": "linear"}),
        ("llm_config", "rope_scaling", {"type": "su", "short_factor": [], "long_factor": [1.0]}),
        ("llm_config", "architectures", "Qwen3ForCausalLM"),
        ("llm_config", "architectures", []),
    ],
)
def test_refused(load: Load, golden: Path, part: str, field: str, value: Any) -> None:
    changed = {**read_config(golden / "tiny")[part], field: value} if part else value
    with pytest.raises(CheckpointMismatchError, match="rope_scaling" if "rope_s" in field else field.rstrip("s")):
        load("tiny", **{part or field: changed})


@pytest.mark.parametrize("select_layer", [-4, -1, 0, 3])
def test_every_layer_may_be_selected(load: Load, select_layer: int) -> None:
    assert load("tiny", select_layer=select_layer).tower.config["select_layer"] == select_layer
