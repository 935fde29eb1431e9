"""Which package is meant by what somebody writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.errors import InstallError
from vlmplug.plugin_package import is_known, package_to_install, package_to_uninstall
from vlmplug.registry import PluginRecord, Registry

REGISTRY = Registry(
    {
        "toy": PluginRecord("toy", "built-in", distribution="vlmplug-toy", version="0.1"),
        "absent": PluginRecord("absent", "built-in", distribution="vlmplug-absent"),
        "mine": PluginRecord("mine", "user", manifest=Path("manifest.yaml")),
    }
)


@pytest.mark.parametrize(
    ("wanted", "package"),
    [
        ("toy", "vlmplug-toy"),
        ("Toy", "vlmplug-toy"),
        ("absent", "vlmplug-absent"),
        ("toy==0.2", "vlmplug-toy==0.2"),
        ("toy[video]>=0.2", "vlmplug-toy[video]>=0.2"),
        ("vlmplug-toy", "vlmplug-toy"),
        ("somebody-elses-plugin~=1.0", "somebody-elses-plugin~=1.0"),
        ("toy @ https://example.org/toy.whl", "vlmplug-toy @ https://example.org/toy.whl"),
        ("https://example.org/toy-1.0-py3-none-any.whl", "https://example.org/toy-1.0-py3-none-any.whl"),
        ("git+https://example.org/toy.git@main", "git+https://example.org/toy.git@main"),
    ],
)
def test_what_pip_is_told(wanted: str, package: str) -> None:
    assert package_to_install(REGISTRY, wanted) == package


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("-r", "Options"),
        ("--index-url=https://example.org", "Options"),
        (" --pre", "Options"),
        ("", "Options"),
        ("two words", "name of a plugin"),
        ("http://example.org/toy.whl", "name of a plugin"),
        ("./nowhere", "Check the path"),
        ("nowhere.whl", "Check the path"),
        ("mine", "distribution"),
        ("toy==", "name of a plugin"),
    ],
)
def test_what_is_refused(wanted: str, words: str) -> None:
    with pytest.raises(InstallError) as caught:
        package_to_install(REGISTRY, wanted)
    assert words in caught.value.remedy


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    project, wheel, folder = tmp_path / "toy", tmp_path / "toy-1.0-py3-none-any.whl", tmp_path / "empty"
    project.mkdir()
    folder.mkdir()
    (project / "pyproject.toml").write_text("")
    wheel.write_bytes(b"")
    assert package_to_install(REGISTRY, "./toy") == str(project)
    assert package_to_install(REGISTRY, str(project)) == str(project)
    assert package_to_install(REGISTRY, wheel.name) == str(wheel)
    assert package_to_install(REGISTRY, "toy") == "vlmplug-toy", "a bare name is a plugin, whatever lies here"
    with pytest.raises(InstallError, match=r"pyproject\.toml"):
        package_to_install(REGISTRY, "./empty")


@pytest.mark.parametrize("wanted", ["toy", "vlmplug-toy", "VLMplug_Toy"])
def test_what_is_uninstalled(wanted: str) -> None:
    assert package_to_uninstall(REGISTRY, wanted) == "vlmplug-toy"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("vlmplug", "No installed plugin"),
        ("numpy", "No installed plugin"),
        ("tay", "No installed plugin"),
        ("absent", "not an installed package"),
        ("mine", "not an installed package"),
        ("--all", "is not a plugin"),
    ],
)
def test_only_packages_of_plugins_are_uninstalled(wanted: str, words: str) -> None:
    with pytest.raises(InstallError, match=words):
        package_to_uninstall(REGISTRY, wanted)


@pytest.mark.parametrize(
    ("wanted", "known"),
    [("toy", True), ("vlmplug_toy>=1", True), ("tay", False), ("requests", False), ("./folder of mine", True)],
)
def test_names_that_may_be_mistyped(wanted: str, known: bool) -> None:
    assert is_known(REGISTRY, wanted) is known
