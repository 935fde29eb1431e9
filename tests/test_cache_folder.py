"""Where caches go, and what happens without a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vlmplug.cache_folder import cache_folder, cache_folder_if_any

VARIABLE = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
INSIDE = "AppData/Local/vlmplug" if sys.platform == "win32" else ".cache/vlmplug"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path


def test_it_is_in_the_home_and_only_looked_up(home: Path) -> None:
    assert cache_folder() == cache_folder_if_any() == home / INSIDE
    assert list(home.iterdir()) == []


def test_the_platforms_variable_moves_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(home / "elsewhere"))
    assert cache_folder() == home / "elsewhere" / "vlmplug"


@pytest.mark.parametrize("value", ["", "somewhere", "./here"])
def test_a_relative_path_counts_as_none(value: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert cache_folder() == home / INSIDE


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize(
    ("call", "outcome"),
    [("cache_folder_if_any()", "None\n"), ("cache_folder()", "There is no folder for caches: the user has no home.")],
)
def test_without_a_home(call: str, outcome: str) -> None:
    """A user that the system does not know, and no variable."""
    program = f"""if True:
        import os
        from vlmplug.cache_folder import cache_folder, cache_folder_if_any
        os.setuid(54321)
        print({call})
        """
    ran = subprocess.run([sys.executable, "-c", program], env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert outcome in ran.stdout + ran.stderr
