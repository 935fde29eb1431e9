"""What the tests of this family share: its reference set, and models loaded from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlmplug.config_json import read_config
from vlmplug.model import FamilyModel, ModelSource
from vlmplug_minicpm_v import hooks

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "minicpm_v"
TYPES = {"tiny_2_5": "minicpm-v-v2_5", "tiny_2_6": "minicpm-v-v2_6"}

#: Loads a checkpoint of the set, with keys of its ``config.json`` replaced.
Load = Callable[..., FamilyModel]


def load_checkpoint(checkpoint: str, folder: Path | None = None, **changes: Any) -> FamilyModel:
    """A checkpoint of the set; None takes a key out of its ``config.json``."""
    folder = folder or GOLDEN / checkpoint
    config = {key: value for key, value in {**read_config(folder), **changes}.items() if value is not None}
    template = TYPES[checkpoint]
    return hooks.load_model(ModelSource(f"{template}-chat", "minicpm_v", folder, config, template))


@pytest.fixture(scope="session")
def golden() -> Path:
    """The reference set."""
    return GOLDEN


@pytest.fixture(scope="session")
def load() -> Load:
    """See `load_checkpoint`."""
    return load_checkpoint


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Path], Path]:
    """A writable copy of a model folder, without its weights."""
    import shutil

    ignored = shutil.ignore_patterns("*.safetensors")
    return lambda folder: Path(
        shutil.copytree(folder, tmp_path / folder.name, ignore=ignored, copy_function=shutil.copyfile)
    )
