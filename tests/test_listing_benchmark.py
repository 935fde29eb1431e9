"""The benchmark of listing measures plugins that are found and work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.listing import write_plugins
from vlmplug.discovery import RegistrySources
from vlmplug.registry import load_registry


def test_its_plugins_are_installed_and_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plugins(tmp_path, 3)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    registry = load_registry(RegistrySources(None))
    own = [record for name, record in registry.plugins.items() if name.startswith("bench-")]
    assert [(record.status, record.distribution, record.version) for record in own] == [
        ("ready", f"vlmplug-bench-{number}", "1.0") for number in range(3)
    ]
    assert sum(name.startswith("bench-") for name in registry.model_types) == 6
