"""Everything at once, on this machine as it is."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from vlmplug.doctor import examination
from vlmplug.doctor.examination import DoctorOptions, examine_machine, examine_plugins
from vlmplug.hub.options import HubOptions
from vlmplug.registry import load_registry

OFFLINE = DoctorOptions(HubOptions(offline=True))


def test_each_part_of_the_machine_has_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('a stand-in that is quick to fail')")
    monkeypatch.syspath_prepend(str(tmp_path))
    rows = {row.subject: row for row in examine_machine(OFFLINE)}
    assert {"Python", "platform", "libraries", "lmdeploy", "video", "main memory"} <= set(rows)
    assert {"disk, Hugging Face cache", "disk, ModelScope cache", "disk, temporary files"} <= set(rows)
    assert {"Hugging Face", "Hugging Face token", "ModelScope", "ModelScope token"} <= set(rows)
    assert any(name.startswith("GPU") for name in rows)
    assert all(row.group == "environment" for row in rows.values())
    assert rows["Python"].status == "ok"
    assert "failed itself" not in repr(rows)
    if "torch" in rows:
        assert (rows["PyTorch"].status, "quick to fail" in rows["PyTorch"].found) == ("problem", True)


def test_vlmplug_in_a_folder_without_its_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", missing)
    monkeypatch.setattr(examination, "_accelerators", lambda: iter(()))
    rows = {row.subject: row for row in examine_machine(OFFLINE)}
    assert (rows["libraries"].status, bool(rows["libraries"].fix)) == ("warning", True)


def test_only_the_plugins_that_are_asked_for() -> None:
    registry = load_registry()
    rows = examine_plugins(registry, [registry.plugin("tiny")], OFFLINE)
    assert [row.subject for row in rows if row.subject.startswith("plugin ")] == ["plugin tiny"]
