"""Layers of sources: the built-in registry, installed packages, the user's file, files named by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.plugin_maker import manifest, write_plugin, write_yaml
from vlmplug.discovery import (
    FileManifest,
    PackageManifest,
    RegistrySources,
    default_sources,
    discover,
    installed_plugins,
    user_file,
)
from vlmplug.errors import DuplicateNameError, ManifestError
from vlmplug.registry import load_registry


def registry_file(folder: Path, name: str, **plugins: object) -> Path:
    return write_yaml(folder / f"{name}.yaml", {"registry": 1, "plugins": plugins})


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs a distribution with an entry point, as pip would leave it behind."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def make(distribution: str, name: str, package: str, version: str = "1.2") -> None:
        folder = tmp_path / "site" / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (folder / "entry_points.txt").write_text(f"[vlmplug.plugins]\n{name} = {package}\n")

    return make


def test_installed_packages_are_found_by_their_entry_points(install) -> None:
    install("toy-plugin", "toy", "toy_plugin")
    found = {statement.name: statement for statement in installed_plugins()}["toy"]
    assert (found.distribution, found.version, found.layer) == ("toy-plugin", "1.2", "installed")
    assert found.manifest == PackageManifest("toy_plugin")


@pytest.mark.parametrize("value", ["not a module!", "..", "absent_package"])
def test_an_entry_point_that_leads_nowhere_harms_nobody(install, value: str) -> None:
    install("toy-plugin", "toy", value)
    record = load_registry(RegistrySources(None)).plugin("toy")
    assert record.status == "missing"


def test_a_later_layer_wins_and_keeps_what_it_does_not_mention(tmp_path: Path) -> None:
    built_in = registry_file(tmp_path, "a", toy={"distribution": "vlmplug-toy", "package": "toy_plugin"})
    user = registry_file(tmp_path, "b", toy={"enabled": False})
    option = registry_file(tmp_path, "c", toy={"enabled": True, "manifest": "mine/manifest.yaml"})
    found = discover(RegistrySources(built_in, False, user, (option,)))["toy"]
    assert (found.enabled, found.layer, found.distribution) == (True, "option", "vlmplug-toy")
    assert found.manifest == FileManifest(tmp_path / "mine" / "manifest.yaml")
    assert discover(RegistrySources(built_in, False, user))["toy"].enabled is False


def test_of_several_named_files_the_last_wins(tmp_path: Path) -> None:
    files = [registry_file(tmp_path, name, toy={"manifest": f"{name}.yaml"}) for name in ("one", "two")]
    assert discover(RegistrySources(None, False, None, tuple(files)))["toy"].manifest == FileManifest(
        tmp_path / "two.yaml"
    )


def test_two_packages_of_one_name_are_both_named(tmp_path: Path, install) -> None:
    built_in = registry_file(tmp_path, "a", toy={"distribution": "vlmplug-toy", "package": "toy_plugin"})
    install("other-toy", "toy", "other_toy")
    error = discover(RegistrySources(built_in, True))["toy"].error
    assert isinstance(error, DuplicateNameError)
    assert "vlmplug-toy and other-toy" in error.problem


@pytest.mark.parametrize("chosen", ["vlmplug-toy", "Other_Toy"])
def test_a_registry_file_chooses_between_them(tmp_path: Path, install, chosen: str) -> None:
    built_in = registry_file(tmp_path, "a", toy={"distribution": "vlmplug-toy", "package": "toy_plugin"})
    install("other-toy", "toy", "other_toy")
    user = registry_file(tmp_path, "b", toy={"distribution": chosen})
    found = discover(RegistrySources(built_in, True, user))["toy"]
    assert found.error is None
    assert found.manifest == PackageManifest("toy_plugin" if chosen == "vlmplug-toy" else "other_toy", "manifest.yaml")


def test_the_same_package_in_two_layers_is_no_conflict(tmp_path: Path, install) -> None:
    built_in = registry_file(tmp_path, "a", toy={"distribution": "Vlmplug.Toy", "package": "toy_plugin"})
    install("vlmplug-toy", "toy", "toy_plugin", "3.4")
    found = discover(RegistrySources(built_in, True))["toy"]
    assert (found.error, found.version) == (None, "3.4")


def test_locating_a_manifest_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = write_plugin(tmp_path, "locate", manifest("locate"))
    (tmp_path / package / "__init__.py").write_text("raise RuntimeError('imported')")
    assert PackageManifest(package).locate() == tmp_path / package / "manifest.yaml"
    assert PackageManifest(f"{package}.inner").locate() == tmp_path / package / "inner" / "manifest.yaml"
    assert PackageManifest("no_such_package").locate() is None
    assert package not in sys.modules


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("registry: 2\n", "registry: '2' is not a whole number from 1 to 1"),
        ("plugins: {}\n", "the key 'registry' is missing"),
        (
            "registry: 1\nplugins: {toy: {packge: x}}\n",
            "toy.packge: unknown key 'packge'. Did you mean package?",
        ),
        ("registry: 1\nplugins: {Toy: {}}\n", "plugins.Toy: 'Toy' is no name."),
        ("registry: 1\nplugins: {toy: {enabled: maybe}}\n", "plugins.toy.enabled: 'maybe' is neither true nor false."),
    ],
)
def test_a_broken_registry_file_is_an_error(tmp_path: Path, content: str, said: str) -> None:
    file = write_yaml(tmp_path / "broken.yaml", content)
    with pytest.raises(ManifestError) as caught:
        discover(RegistrySources(None, False, None, (file,)))
    assert said in str(caught.value)


def test_a_named_file_must_exist_and_the_users_need_not(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    assert discover(RegistrySources(None, False, missing)) == {}
    with pytest.raises(ManifestError, match=r"missing\.yaml cannot be read"):
        discover(RegistrySources(None, False, None, (missing,)))


def test_the_users_file_lies_in_the_configuration_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    assert user_file() == tmp_path / "vlmplug" / "registry.yaml"


def test_the_built_in_registry_names_the_plugins_of_the_tree() -> None:
    sources = default_sources()
    assert sources.built_in is not None
    found = discover(RegistrySources(sources.built_in, False))
    assert {name: statement.distribution for name, statement in found.items()} == {
        "internvl2": "vlmplug-internvl2",
        "tiny": "vlmplug-tiny",
    }
