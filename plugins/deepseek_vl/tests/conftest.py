"""What the tests of this family share: its reference set, and models loaded from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.deepseek_vl.tests.native_checkpoint import write_native
from plugins.deepseek_vl.tests.official_checkpoint import write_single
from vlmplug.config_json import read_config
from vlmplug.model import FamilyModel, ModelSource
from vlmplug_deepseek_vl import hooks

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "deepseek_vl"

#: Loads a checkpoint of the set, with keys of its ``config.json`` replaced.
Load = Callable[..., FamilyModel]


def load_checkpoint(folder: Path, **changes: Any) -> FamilyModel:
    """A checkpoint; None takes a key out of its ``config.json``."""
    config = {key: value for key, value in {**read_config(folder), **changes}.items() if value is not None}
    return hooks.load_model(ModelSource("deepseek-vl-7b-chat", "deepseek_vl", folder, config, "deepseek"))


@pytest.fixture(scope="session")
def golden() -> Path:
    """The reference set."""
    return GOLDEN


@pytest.fixture(scope="session")
def model() -> FamilyModel:
    """The checkpoint with both towers."""
    return load_checkpoint(GOLDEN / "tiny_7b")


@pytest.fixture(scope="session")
def load() -> Load:
    """See `load_checkpoint`."""
    return load_checkpoint


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the 1.3B layout, in the official format."""
    return write_single(GOLDEN, tmp_path_factory.mktemp("single"))


@pytest.fixture(scope="session")
def native_hybrid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint with both towers in the format of transformers, SigLIP's names as in its first files."""
    return write_native(GOLDEN / "tiny_7b", tmp_path_factory.mktemp("native_hybrid"), doubled=True)


@pytest.fixture(scope="session")
def native_single(single: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of the 1.3B layout in the format of transformers, with the names of today."""
    return write_native(single, tmp_path_factory.mktemp("native_single"), doubled=False)
