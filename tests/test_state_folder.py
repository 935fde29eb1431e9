"""The folder for state moves with the platform's variable, and is missing only where there is no home."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vlmplug.state_folder import state_folder_if_any

VARIABLE = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME"


def test_the_variable_moves_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert state_folder_if_any() == tmp_path / "vlmplug"


@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_else_it_is_below_the_home(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, value)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    folder = state_folder_if_any()
    assert folder is not None
    assert folder.is_relative_to(tmp_path)
    assert folder.name == "vlmplug"


def test_without_a_home_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(Path, "home", no_home)
    assert state_folder_if_any() is None
