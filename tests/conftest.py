"""What several test files share: the reference data in the tree, and models loaded from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vlmplug.model import FamilyModel
from vlmplug.pipeline import Preparer, open_preparer

GOLDEN = Path(__file__).parent / "golden" / "internvl2"


@pytest.fixture(scope="session")
def golden() -> Path:
    """The reference set of InternVL2."""
    return GOLDEN


@pytest.fixture(scope="session")
def preparer() -> Preparer:
    """The golden checkpoint ``tiny`` (InternLM2), without an engine."""
    return open_preparer("internvl2-2b", GOLDEN / "tiny")


@pytest.fixture(scope="session")
def model(preparer: Preparer) -> FamilyModel:
    """What the family says about the golden checkpoint ``tiny``."""
    return preparer.model


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Path], Path]:
    """A writable copy of a model folder."""
    import shutil

    def copy(folder: Path) -> Path:
        return Path(shutil.copytree(folder, tmp_path / folder.name, copy_function=shutil.copyfile))

    return copy


@pytest.fixture(autouse=True)
def forgotten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Modules that a test imports out of a temporary folder are gone behind it."""
    before = set(sys.modules)
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        contents = getattr(sys.modules[name], "__dict__", {})
        if any(str(place).startswith(folder) for place in (contents.get("__file__"), *contents.get("__path__", ()))):
            del sys.modules[name]


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins that `tests.plugin_maker` writes into ``tmp_path`` can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A model folder of the family ``toy``."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["ToyForCausalLM"]}))
    return folder
