"""A user of the command line whose hubs are on the loopback interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hub.hub_server import HubServer

TINY = Path(__file__).parent.parent / "golden" / "internvl2" / "tiny"
REPOSITORY = "OpenGVLab/InternVL2-2B"


def tiny_hub() -> HubServer:
    """A hub on which internvl2-2b is the golden checkpoint ``tiny``."""
    server = HubServer({file.name: file.read_bytes() for file in TINY.iterdir()} | {"modeling.py": b"exit()"})
    server.repository = REPOSITORY
    return server


def move_in(server: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the environment name the hub, and caches below ``folder``."""
    for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(variable, server.endpoint)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(folder / "own"))
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hf"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(folder / "ms"))
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "MODELSCOPE_API_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
