"""The distributions: complete metadata, entry points that lead to manifests, and wheels that hold what they need."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from vlmplug.discovery import built_in_file
from vlmplug.installed import GROUP
from vlmplug.statement import PackageManifest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "vlmplug": ROOT,
    "vlmplug-deepseek-vl": ROOT / "plugins" / "deepseek_vl",
    "vlmplug-glm4v": ROOT / "plugins" / "glm4v",
    "vlmplug-internvl2": ROOT / "plugins" / "internvl2",
    "vlmplug-minicpm-v": ROOT / "plugins" / "minicpm_v",
    "vlmplug-qwen-vl": ROOT / "plugins" / "qwen_vl",
    "vlmplug-tiny": ROOT / "plugins" / "tiny",
    "vlmplug-xcomposer2-5": ROOT / "plugins" / "xcomposer2_5",
}
PACKAGES = {
    name: (folder / "core" / "vlmplug" if folder == ROOT else folder / name.replace("-", "_"))
    for name, folder in FOLDERS.items()
}
HEAVY = {"torch", "transformers", "lmdeploy", "safetensors"}


@pytest.fixture(params=FOLDERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def requirements(name: str, extra: str = "") -> set[str]:
    """Names that a distribution requires, without those of other extras."""
    found = set()
    for line in metadata.requires(name) or ():
        of_extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        if (of_extra[1] if of_extra else "") == extra:
            found.add(re.split(r"[^A-Za-z0-9_.-]", line)[0].lower())
    return found


def test_metadata_is_complete(name: str) -> None:
    found = metadata.metadata(name)
    for field in ("Version", "Summary", "Keywords", "Requires-Python", "License-Expression", "License-File"):
        assert found[field], field
    assert found["License-Expression"] == "Apache-2.0"
    assert found["Requires-Python"] == ">=3.10"
    assert "Typing :: Typed" in found.get_all("Classifier", [])


def test_every_distribution_has_its_papers(name: str) -> None:
    folder = FOLDERS[name]
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert metadata.version(name) in (folder / "CHANGELOG.md").read_text()
    assert (folder / "README.md").read_text().startswith(f"# {name}\n")
    assert (PACKAGES[name] / "py.typed").is_file()


def test_embedded_checkpoints_are_small(name: str) -> None:
    for weights in PACKAGES[name].rglob("*.safetensors"):
        assert sum(file.stat().st_size for file in weights.parent.iterdir()) < 6_000_000


def test_the_core_is_light_and_the_engine_is_an_extra() -> None:
    assert requirements("vlmplug").isdisjoint(HEAVY)
    assert requirements("vlmplug", "engine") >= HEAVY


def test_plugins_need_only_what_is_light() -> None:
    for name in FOLDERS.keys() - {"vlmplug"}:
        assert requirements(name).isdisjoint(HEAVY)
        assert any(required.startswith("vlmplug") for required in requirements(name))


def test_the_engine_is_pinned_to_the_version_it_is_written_for() -> None:
    (line,) = [line for line in metadata.requires("vlmplug") or () if line.startswith("lmdeploy")]
    assert set(re.findall(r"[<>=]+[0-9.]+", line.partition(";")[0])) == {">=0.18", "<0.19"}


@pytest.mark.parametrize(
    ("plugin", "distribution"),
    [(folder.name, name) for name, folder in FOLDERS.items() if folder != ROOT],
)
def test_an_entry_point_leads_to_the_manifest(plugin: str, distribution: str) -> None:
    points = [point for point in metadata.entry_points(group=GROUP) if point.name == plugin]
    assert {point.dist.name for point in points if point.dist} == {distribution}
    file = PackageManifest(points[0].module).locate()
    assert file == PACKAGES[distribution] / "manifest.yaml"
    assert file.is_file()


def test_the_command_is_installed() -> None:
    (point,) = metadata.entry_points(group="console_scripts", name="vlmplug")
    assert callable(point.load())


def test_the_built_in_registry_agrees_with_the_packages() -> None:
    plugins = yaml.safe_load(built_in_file().read_text())["plugins"]
    for name, entry in plugins.items():
        (point,) = metadata.entry_points(group=GROUP, name=name)
        assert point.dist is not None
        assert (entry["distribution"], entry["package"]) == (point.dist.name, point.module)


def test_a_checkout_reads_the_registry_at_its_top() -> None:
    assert built_in_file() == ROOT / "registry.yaml"
