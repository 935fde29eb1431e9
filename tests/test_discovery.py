"""Layers of sources: the built-in registry, installed packages, the user's file, files named by hand."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.plugin_maker import MODEL_TYPE, manifest, toy_manifest, write_plugin, write_yaml
from vlmplug.discovery import RegistrySources, default_sources, discover, user_file
from vlmplug.errors import DuplicateNameError, ManifestError, RegistryError
from vlmplug.registry import load_registry
from vlmplug.statement import FileManifest, PackageManifest


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
    found = discover(RegistrySources(None)).plugins["toy"]
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
    found = discover(RegistrySources(built_in, False, user, (option,))).plugins["toy"]
    assert (found.enabled, found.layer, found.distribution) == (True, "option", "vlmplug-toy")
    assert found.manifest == FileManifest(tmp_path / "mine" / "manifest.yaml")
    assert discover(RegistrySources(built_in, False, user)).plugins["toy"].enabled is False


def test_of_several_named_files_the_last_wins(tmp_path: Path) -> None:
    files = [registry_file(tmp_path, name, toy={"manifest": f"{name}.yaml"}) for name in ("one", "two")]
    assert discover(RegistrySources(None, False, None, tuple(files))).plugins["toy"].manifest == FileManifest(
        tmp_path / "two.yaml"
    )


def test_two_packages_of_one_name_are_both_named(tmp_path: Path, install) -> None:
    built_in = registry_file(tmp_path, "a", toy={"distribution": "vlmplug-toy", "package": "toy_plugin"})
    install("other-toy", "toy", "other_toy")
    error = discover(RegistrySources(built_in, True)).plugins["toy"].error
    assert isinstance(error, DuplicateNameError)
    assert f"vlmplug-toy ({built_in}:" in error.problem
    assert "and other-toy (installed)" in error.problem
    assert "plugins: {toy: {distribution: vlmplug-toy}}" in error.remedy


@pytest.mark.parametrize("chosen", ["vlmplug-toy", "Other_Toy"])
def test_a_registry_file_chooses_between_them(tmp_path: Path, install, chosen: str) -> None:
    built_in = registry_file(tmp_path, "a", toy={"distribution": "vlmplug-toy", "package": "toy_plugin"})
    install("other-toy", "toy", "other_toy")
    user = registry_file(tmp_path, "b", toy={"distribution": chosen})
    found = discover(RegistrySources(built_in, True, user)).plugins["toy"]
    assert found.error is None
    assert found.manifest == PackageManifest("toy_plugin" if chosen == "vlmplug-toy" else "other_toy", "manifest.yaml")


def test_the_same_package_in_two_layers_is_no_conflict(tmp_path: Path, install) -> None:
    built_in = registry_file(tmp_path, "a", toy={"distribution": "Vlmplug.Toy", "package": "toy_plugin"})
    install("vlmplug-toy", "toy", "toy_plugin", "3.4")
    found = discover(RegistrySources(built_in, True)).plugins["toy"]
    assert (found.error, found.version) == (None, "3.4")


def test_locating_a_manifest_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = write_plugin(tmp_path, "locate", manifest("locate"))
    (tmp_path / package / "__init__.py").write_text("raise RuntimeError('imported')")
    assert PackageManifest(package).locate() == tmp_path / package / "manifest.yaml"
    assert PackageManifest(f"{package}.inner").locate() == tmp_path / package / "inner" / "manifest.yaml"
    assert PackageManifest("no_such_package").locate() is None
    assert package not in sys.modules


def test_a_named_file_must_exist_and_the_users_need_not(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    assert discover(RegistrySources(None, False, missing)).plugins == {}
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
    folders = [file.parent.name for file in (sources.built_in.parent / "plugins").glob("*/pyproject.toml")]
    assert {"internvl2", "tiny"} <= set(folders)
    assert {name: statement.distribution for name, statement in found.plugins.items()} == {
        name: f"vlmplug-{name.replace('_', '-')}" for name in folders
    }


BROKEN_FILES = {"not YAML": "plugins: [", "unknown key": "registry: 1\npluginz: {}\n", "a folder": None}


@pytest.mark.parametrize("content", BROKEN_FILES.values(), ids=BROKEN_FILES.keys())
def test_a_broken_file_of_the_user_is_a_problem_and_everything_else_works(tmp_path: Path, content: str | None) -> None:
    user, option = tmp_path / "user.yaml", registry_file(tmp_path, "c", toy={"manifest": "toy.yaml"})
    if content is None:
        user.mkdir()
    else:
        write_yaml(user, content)
    write_yaml(tmp_path / "toy.yaml", toy_manifest())
    sources = RegistrySources(None, False, user, (option,))
    registry = load_registry(sources)
    (problem,) = registry.problems
    assert isinstance(problem, ManifestError)
    assert str(user) in problem.problem
    assert registry.model_type("toy-1b").plugin == "toy"
    with pytest.raises(ManifestError, match=r"user\.yaml"):
        load_registry(replace(sources, strict=True))


@pytest.mark.parametrize("content", [text for text in BROKEN_FILES.values() if text])
def test_a_broken_file_that_was_named_is_an_error(tmp_path: Path, content: str) -> None:
    file = write_yaml(tmp_path / "named.yaml", content)
    with pytest.raises(ManifestError, match=r"named\.yaml"):
        load_registry(RegistrySources(None, False, None, (file,)))


def test_a_manifest_may_come_by_a_named_file_alone(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    write_yaml(tmp_path / "mine" / "manifest.yaml", manifest("mine", model_types={"toy-9b": dict(MODEL_TYPE)}))
    plugins = {"toy": {"manifest": "toy_plugin/manifest.yaml"}, "mine": {"manifest": "mine/manifest.yaml"}}
    registry = load_registry(RegistrySources(None, False, None, (registry_file(tmp_path, "files", **plugins),)))
    entry = registry.model_type("toy-9b")
    assert (entry.plugin, registry.owner(entry.family).name, registry.plugin("mine").hooks) == ("mine", "toy", None)
    assert (entry.source.layer, entry.source.file) == ("option", tmp_path / "mine" / "manifest.yaml")


ONE_AND_TWO = {"one": {"distribution": "Vlmplug.One"}, "two": {"package": "two_plugin"}}
LISTS = [
    ({"plugins_blocked": ["one"]}, {"one"}),
    ({"plugins_blocked": ["vlmplug_one"]}, {"one"}),
    ({"plugins_blocked": []}, set()),
    ({"plugins_allowed": ["vlmplug-one"]}, {"two"}),
    ({"plugins_allowed": ["one", "two"], "plugins_blocked": ["two"]}, {"two"}),
    ({"plugins_allowed": []}, {"one", "two"}),
]


def lists_file(folder: Path, name: str, **lists: object) -> Path:
    return write_yaml(folder / f"{name}.yaml", {"registry": 1, "plugins": ONE_AND_TWO, **lists})


@pytest.mark.parametrize(("lists", "kept_out"), LISTS)
def test_lists_name_plugins_or_distributions(tmp_path: Path, lists: dict[str, object], kept_out: set[str]) -> None:
    registry = load_registry(RegistrySources(None, False, lists_file(tmp_path, "user", **lists)))
    assert {record.name for record in registry.plugins.values() if record.status == "blocked"} == kept_out
    assert registry.problems == ()


def test_a_blocked_plugin_says_which_list_keeps_it_out_and_is_not_read(tmp_path: Path) -> None:
    write_yaml(tmp_path / "toy.yaml", toy_manifest())
    content = {"registry": 1, "plugins": {"toy": {"manifest": "toy.yaml"}}, "plugins_blocked": ["toy"]}
    file = write_yaml(tmp_path / "user.yaml", content)
    registry = load_registry(RegistrySources(None, False, file))
    record = registry.plugin("toy")
    assert (record.status, record.error) == ("blocked", None)
    assert record.blocked == f"listed in plugins_blocked of {file}:5"
    assert "toy-1b" not in registry.model_types


def test_each_list_of_a_stronger_source_replaces_that_of_a_weaker_one(tmp_path: Path) -> None:
    user = lists_file(tmp_path, "user", plugins_blocked=["one"], plugins_allowed=["one"])
    option = lists_file(tmp_path, "option", plugins_blocked=[])
    sources = RegistrySources(None, False, user, (option,))
    assert [record.status == "blocked" for record in load_registry(sources).plugins.values()] == [False, True]
    called = load_registry(replace(sources, allowed=("two",), blocked=()))
    assert [record.status == "blocked" for record in called.plugins.values()] == [True, False]
    assert called.plugin("one").blocked == "not listed in plugins_allowed of the caller"


def test_a_misspelt_name_in_a_list_does_not_go_unseen(tmp_path: Path) -> None:
    file = lists_file(tmp_path, "user", plugins_blocked=["onne"])
    (problem,) = load_registry(RegistrySources(None, False, file)).problems
    assert isinstance(problem, RegistryError)
    assert str(problem).endswith("plugins_blocked: there is no plugin 'onne'. Did you mean one?")


@pytest.mark.parametrize("home", ["", "relative"])
def test_sources_do_not_need_a_home(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", home)
    assert load_registry(RegistrySources(None, False, user_file())).plugins == {}
