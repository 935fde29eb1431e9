"""Where the user's own folders are, and what happens without a home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from vlmplug.user_folder import cache_folder, cache_folder_if_any, state_folder_if_any


class Place(NamedTuple):
    """A folder, the variable that moves it, and where it is otherwise."""

    folder: Callable[[], Path | None]
    variable: str
    inside: str


if sys.platform == "win32":
    CACHE = Place(cache_folder_if_any, "LOCALAPPDATA", "AppData/Local/vlmplug")
    STATE = Place(state_folder_if_any, "LOCALAPPDATA", "AppData/Local/vlmplug")
else:
    CACHE = Place(cache_folder_if_any, "XDG_CACHE_HOME", ".cache/vlmplug")
    STATE = Place(state_folder_if_any, "XDG_STATE_HOME", ".local/state/vlmplug")

both = pytest.mark.parametrize("place", [CACHE, STATE], ids=["cache", "state"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for place in (CACHE, STATE):
        monkeypatch.delenv(place.variable, raising=False)
    return tmp_path


@both
def test_it_is_in_the_home_and_only_looked_up(place: Place, home: Path) -> None:
    assert place.folder() == home / place.inside
    assert list(home.iterdir()) == []


@both
def test_the_platforms_variable_moves_it(place: Place, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(place.variable, str(home / "elsewhere"))
    assert place.folder() == home / "elsewhere" / "vlmplug"


@both
@pytest.mark.parametrize("value", ["", "somewhere", "./here"])
def test_a_relative_path_counts_as_none(place: Place, value: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(place.variable, value)
    assert place.folder() == home / place.inside


@pytest.mark.usefixtures("home")
def test_who_needs_caches_gets_the_same_folder() -> None:
    assert cache_folder() == cache_folder_if_any()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        ("cache_folder_if_any()", "None\n"),
        ("state_folder_if_any()", "None\n"),
        ("cache_folder()", "There is no folder for caches: the user has no home. Set XDG_CACHE_HOME to a folder."),
    ],
)
def test_without_a_home(call: str, outcome: str) -> None:
    """A user that the system does not know, and no variable."""
    program = f"""if True:
        import os
        from vlmplug.user_folder import cache_folder, cache_folder_if_any, state_folder_if_any
        os.setuid(54321)
        print({call})
        """
    ran = subprocess.run([sys.executable, "-c", program], env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert outcome in ran.stdout + ran.stderr
