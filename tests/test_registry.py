"""The registry: lookups, conflicts, broken plugins as rows, and no import of anything heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin_maker import MODEL_TYPE, manifest, packages, registry_of, toy_manifest, write_plugin
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.errors import DuplicateNameError, ManifestError, RegistryError, UnknownModelTypeError
from vlmplug.registry import Registry, load_registry


@pytest.fixture(autouse=True)
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))


def toy_types(*names: str, **extra: object) -> dict[str, object]:
    return {name: {**MODEL_TYPE, **extra} for name in names}


def test_model_types_are_found_by_name_and_alias(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    write_plugin(tmp_path, "more", manifest("more", model_types=toy_types("toy-2b", aliases=["two"])))
    registry = registry_of(tmp_path, packages("toy", "more"))
    assert registry.model_type("two") is registry.model_type("toy-2b")
    assert registry.model_type("toy-2b").plugin == "more"
    assert registry.owner(registry.model_type("toy-2b").family).name == "toy"
    assert [record.status for record in registry.plugins.values()] == ["ready", "ready"]
    assert [family.name for family in registry.families_of(["ToyForCausalLM", "Other"])] == ["toy"]
    assert registry.families_of(["Other"]) == ()


def test_an_unknown_model_type_gets_the_nearest_names(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    registry = registry_of(tmp_path, packages("toy"))
    with pytest.raises(UnknownModelTypeError, match=r"no model type 'toy_1b'\. Did you mean toy-1b\?"):
        registry.model_type("toy_1b")
    with pytest.raises(RegistryError, match=r"no plugin 'tov'\. Did you mean toy\?"):
        registry.plugin("tov")


@pytest.mark.parametrize(
    ("second", "name"),
    [
        (manifest("other", model_types=toy_types("toy-1b")), "toy-1b"),
        (manifest("other", model_types=toy_types("toy-2b", aliases=["toy-1b"])), "toy-1b"),
    ],
    ids=["as a name", "as an alias"],
)
def test_a_model_type_with_two_owners_is_an_error_that_names_both(tmp_path: Path, second, name: str) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    write_plugin(tmp_path, "other", second)
    registry = registry_of(tmp_path, packages("toy", "other"))
    with pytest.raises(DuplicateNameError) as caught:
        registry.model_type(name)
    assert "plugin toy (" in caught.value.problem
    assert "plugin other (" in caught.value.problem
    assert str(tmp_path / "other_plugin" / "manifest.yaml") in caught.value.problem
    assert name not in registry.model_types
    assert name not in registry.aliases


def test_turning_one_owner_off_settles_a_conflict(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    write_plugin(tmp_path, "other", manifest("other", model_types=toy_types("toy-1b")))
    plugins = packages("toy", "other")
    plugins["other"]["enabled"] = False
    registry = registry_of(tmp_path, plugins)
    assert registry.model_type("toy-1b").plugin == "toy"
    assert registry.plugin("other").status == "off"


def test_a_family_with_two_owners_is_an_error_that_names_both(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    write_plugin(tmp_path, "other", {**toy_manifest("other"), "model_types": {}})
    registry = registry_of(tmp_path, packages("toy", "other"))
    with pytest.raises(DuplicateNameError, match=r"'family toy' is claimed by plugin toy .* and plugin other"):
        registry.family("toy")


BROKEN = {
    "bad": (ManifestError, "plugin.nmae"),
    "renamed": (ManifestError, "plugin.name is 'elsewhere', but it is registered as 'renamed'"),
    "newer": (ManifestError, "written for hook API 2; this vlmplug has 1. Upgrade vlmplug."),
    "empty": (ManifestError, "cannot be read"),
}


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, object]:
    """Plugins that do not work in several ways, beside one that does."""
    write_plugin(tmp_path, "toy", toy_manifest())
    write_plugin(tmp_path, "bad", {"manifest": 1, "plugin": {"nmae": "bad"}})
    write_plugin(tmp_path, "renamed", manifest("elsewhere"))
    newer = manifest("newer")
    newer["plugin"]["api"] = 2
    write_plugin(tmp_path, "newer", newer)
    write_plugin(tmp_path, "empty", "")
    (tmp_path / "empty_plugin" / "manifest.yaml").unlink()
    return packages("bad", "renamed", "newer", "empty", "toy")


@pytest.mark.parametrize(("name", "kind", "said"), [(name, *what) for name, what in BROKEN.items()])
def test_a_broken_plugin_is_a_row_with_its_reason(tmp_path: Path, broken, name: str, kind: type, said: str) -> None:
    registry = registry_of(tmp_path, broken)
    record = registry.plugin(name)
    assert record.status == "broken"
    assert isinstance(record.error, kind)
    assert said in str(record.error)
    assert registry.model_type("toy-1b").plugin == "toy"


def test_strict_makes_the_first_broken_plugin_fatal(tmp_path: Path, broken) -> None:
    with pytest.raises(ManifestError, match=r"plugin\.nmae"):
        registry_of(tmp_path, broken, strict=True)


def test_strict_makes_a_conflict_fatal_and_nothing_else(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    missing = {"absent": {"distribution": "vlmplug-absent", "package": "absent_plugin"}}
    assert registry_of(tmp_path, packages("toy") | missing, strict=True).plugin("absent").status == "missing"
    write_plugin(tmp_path, "other", manifest("other", model_types=toy_types("toy-1b")))
    with pytest.raises(DuplicateNameError):
        registry_of(tmp_path, packages("toy", "other"), strict=True)


def test_a_plugin_that_is_not_installed_says_how_to_install_it(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, {"absent": {"distribution": "vlmplug-absent", "package": "absent_plugin"}})
    record = registry.plugin("absent")
    assert record.status == "missing"
    assert str(record.error) == "Plugin absent is not installed. Run: pip install vlmplug-absent"
    with pytest.raises(UnknownModelTypeError, match=r"do not answer: absent \(missing\)"):
        registry.model_type("absent-1b")


def test_a_plugin_without_a_place_says_what_to_add(tmp_path: Path) -> None:
    record = registry_of(tmp_path, {"toy": {"enabled": True}}).plugin("toy")
    assert "Add `package` or `manifest`" in str(record.error)


def test_a_family_without_a_working_plugin_is_named(tmp_path: Path) -> None:
    write_plugin(tmp_path, "more", manifest("more", model_types=toy_types("toy-2b")))
    registry = registry_of(tmp_path, packages("more"))
    with pytest.raises(RegistryError, match="No working plugin offers the family 'toy'"):
        registry.owner(registry.model_type("toy-2b").family)


_HEAVY = ("torch", "transformers", "lmdeploy", "numpy", "PIL", "tokenizers", "sentencepiece", "pluggy", "av")
_LISTING = """
import json, sys
from vlmplug.registry import load_registry
registry = load_registry()
registry.raise_problems()
print(json.dumps({"types": sorted(registry.model_types), "modules": sorted(sys.modules)}))
"""


def test_listing_imports_nothing_heavy_and_no_plugin() -> None:
    run = subprocess.run([sys.executable, "-c", _LISTING], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert {"internvl2-2b", "internvl2-tiny"} <= set(found["types"])
    loaded = {module.partition(".")[0] for module in found["modules"]}
    assert loaded.isdisjoint({*_HEAVY, "vlmplug_internvl2", "vlmplug_tiny"})


@pytest.fixture(scope="module")
def tree() -> Registry:
    """The plugins of this tree, and nothing of the user's."""
    return load_registry(RegistrySources(built_in_file(), True, strict=True))


def test_the_plugins_of_the_tree_work(tree: Registry) -> None:
    assert {name: tree.plugin(name).status for name in ("internvl2", "tiny")} == {
        "internvl2": "ready",
        "tiny": "ready",
    }
    assert tree.plugin("tiny").hooks is None
    assert tree.owner(tree.model_type("internvl2-tiny").family).name == "internvl2"
