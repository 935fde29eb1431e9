"""What several test files share: the shipped tokenizer, and models small enough to train in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from training.export import read_config
from training.feed import Batch, batches_of
from training.model import TinyModel, new_model
from training.pool import held_out_blocks
from training.tiles import TOKENS
from training.tokenizer import Encoder

CHECKPOINT = Path(__file__).parent.parent / "vlmplug_tiny" / "checkpoint"


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    """The shipped checkpoint."""
    return CHECKPOINT


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The shipped tokenizer."""
    return Encoder(CHECKPOINT)


@pytest.fixture(scope="session")
def small_config() -> dict[str, Any]:
    """The shipped configuration with two layers in each half."""
    config = read_config(CHECKPOINT)
    config["vision_config"]["num_hidden_layers"] = 2
    config["llm_config"]["num_hidden_layers"] = 2
    return config


@pytest.fixture
def small_model(small_config: dict[str, Any]) -> TinyModel:
    """Random weights, float32."""
    return new_model(small_config).eval()


@pytest.fixture(scope="session")
def batch(encoder: Encoder) -> Batch:
    """Two rows of held-out samples with the tiles that they show."""
    (whole,) = batches_of(held_out_blocks(encoder, 1), 1, torch.device("cpu"))
    rows = {name: column[:2] for name, column in whole.items() if name != "tiles"}
    tiles = torch.unique(rows["features"][rows["features"] >= 0] // TOKENS)
    renumbered = torch.searchsorted(tiles, rows["features"] // TOKENS) * TOKENS + rows["features"] % TOKENS
    features = torch.where(rows["features"] >= 0, renumbered, rows["features"])
    return {**rows, "features": features, "tiles": whole["tiles"][tiles]}
