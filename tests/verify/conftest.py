"""Copies of the reference set with one thing changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Edit: TypeAlias = Callable[[str, Callable[[Any], object]], Path]


@pytest.fixture
def edited(golden: Path, tmp_path: Path) -> Edit:
    """``edited(file, change)``: a copy of the set in which ``change`` has worked on the content of a JSON file."""

    def edit(file: str, change: Callable[[Any], object]) -> Path:
        copy = tmp_path / "set"
        if not copy.exists():
            shutil.copytree(golden, copy, copy_function=shutil.copyfile)
        content = json.loads((copy / file).read_text(encoding="utf-8"))
        change(content)
        (copy / file).write_text(json.dumps(content), encoding="utf-8")
        return copy

    return edit
