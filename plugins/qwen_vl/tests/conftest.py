"""What the tests of this family share: its reference set, models loaded from it, and a model to compare with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from plugins.qwen_vl.tests.native import NativeModel
from tests.reference import Reference
from vlmplug.config_json import read_config
from vlmplug.model import FamilyModel, ModelSource
from vlmplug_qwen_vl import hooks

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "qwen_vl"

#: Loads the checkpoint of the set, with keys of its ``config.json`` replaced.
Load = Callable[..., FamilyModel]


def load_checkpoint(folder: Path = GOLDEN / "tiny", template: str = "chatml", **changes: Any) -> FamilyModel:
    """The checkpoint of the set; None takes a key out of its ``config.json``."""
    config = {key: value for key, value in {**read_config(folder), **changes}.items() if value is not None}
    return hooks.load_model(ModelSource("qwen-vl-chat", "qwen_vl", folder, config, template))


@pytest.fixture(scope="session")
def golden() -> Path:
    """The reference set."""
    return GOLDEN


@pytest.fixture(scope="session")
def load() -> Load:
    """See `load_checkpoint`."""
    return load_checkpoint


@pytest.fixture(scope="session")
def model() -> FamilyModel:
    """What the family says about the checkpoint of the set."""
    return load_checkpoint()


@pytest.fixture(scope="session")
def reference() -> Reference:
    """The forward cases of the set."""
    return Reference(GOLDEN, "tiny")


@pytest.fixture(scope="session")
def native(model: FamilyModel) -> NativeModel:
    """The language model written down word by word, which computes everything anew for each token."""
    torch.set_num_threads(1)
    return NativeModel(model)
