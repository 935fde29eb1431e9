"""What several test files share: the reference data in the tree, and models loaded from it."""

from __future__ import annotations

from collections.abc import Callable
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
