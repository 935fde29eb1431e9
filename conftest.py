"""What holds for all tests, those of the plugins too."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

_BYTECODE = Path(__file__).resolve().parent / ".cache" / "bytecode"

if sys.dont_write_bytecode:
    # Nothing is written beside the sources, as it was wished; but without any bytecode each program that a test starts
    # would compile PyTorch, transformers and lmdeploy anew, which takes longer than all that it does then.
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(_BYTECODE)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(_BYTECODE)

# How long an example takes says more about the machine and its other work than about the code.
settings.register_profile("vlmplug", deadline=None)
settings.load_profile("vlmplug")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Programs that tests start can be interrupted, also where the tests themselves run in the background of a shell,
    which has its programs ignore interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for our caches, in the place of the user's."""
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    return tmp_path / "cache" / "vlmplug"
