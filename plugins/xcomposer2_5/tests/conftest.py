"""What the tests of this family share: its reference set, and models loaded from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlmplug.config_json import read_config
from vlmplug.model import FamilyModel, ModelSource
from vlmplug_xcomposer2_5 import hooks

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "xcomposer2_5"
TYPE, TEMPLATE, FAMILY = "internlm-xcomposer2_5-7b-chat", "internlm-xcomposer2_5", "xcomposer2_5"

#: Loads the checkpoint of the set, with keys of its ``config.json`` replaced.
Load = Callable[..., FamilyModel]


def load_checkpoint(folder: Path | None = None, **changes: Any) -> FamilyModel:
    """The checkpoint of the set; None takes a key out of its ``config.json``."""
    folder = folder or GOLDEN / "tiny"
    config = {key: value for key, value in {**read_config(folder), **changes}.items() if value is not None}
    return hooks.load_model(ModelSource(TYPE, FAMILY, folder, config, TEMPLATE))


@pytest.fixture(scope="session")
def golden() -> Path:
    """The reference set."""
    return GOLDEN


@pytest.fixture(scope="session")
def load() -> Load:
    """See `load_checkpoint`."""
    return load_checkpoint


@pytest.fixture
def without_weights(tmp_path: Path) -> Path:
    """A writable copy of the checkpoint, without its weights."""
    ignored = shutil.ignore_patterns("*.safetensors")
    copy = shutil.copytree(GOLDEN / "tiny", tmp_path / "tiny", ignore=ignored, copy_function=shutil.copyfile)
    return Path(copy)
