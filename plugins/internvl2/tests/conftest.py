"""What the tests of this family share: its reference set, and models loaded from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlmplug.config_json import read_config
from vlmplug.model import FamilyModel, ModelSource
from vlmplug_internvl2 import hooks

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "internvl2"
TEMPLATES = {"tiny": "internlm2-chat", "tiny_6b": "internlm2-chat", "tiny_qwen2": "Hermes-2"}

#: Loads a checkpoint of the set, with keys of its ``config.json`` replaced.
Load = Callable[..., FamilyModel]


def load_checkpoint(checkpoint: str, **changes: Any) -> FamilyModel:
    """A checkpoint of the set; None takes a key out of its ``config.json``."""
    folder = GOLDEN / checkpoint
    config = {key: value for key, value in {**read_config(folder), **changes}.items() if value is not None}
    source = ModelSource("internvl2-2b", "internvl2", folder, config, TEMPLATES[checkpoint])
    return hooks.load_model(source)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The reference set."""
    return GOLDEN


@pytest.fixture(scope="session")
def load() -> Load:
    """See `load_checkpoint`."""
    return load_checkpoint
