"""The registry: lookups, conflicts, broken plugins as rows, and no import of anything heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin_maker import (
    FAMILY,
    MODEL_TYPE,
    manifest,
    packages,
    registry_of,
    toy_manifest,
    write_plugin,
    write_yaml,
)
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.errors import DuplicateNameError, ManifestError, NoPluginError, RegistryError, UnknownModelTypeError
from vlmplug.model_type import Hub, Limits, Setting, Source
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


def test_an_alias_with_two_owners_is_an_error_that_names_both(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", manifest("toy", model_types=toy_types("toy-1b", aliases=["small"])))
    write_plugin(tmp_path, "other", manifest("other", model_types=toy_types("toy-2b", aliases=["small"])))
    registry = registry_of(tmp_path, packages("toy", "other"))
    both = r"'small' is claimed by plugin toy \(.*:\d+\) and plugin other \(.*:\d+\)"
    with pytest.raises(DuplicateNameError, match=both):
        registry.model_type("small")
    assert registry.model_type("toy-2b").plugin == "other"


@pytest.fixture
def two_owners(tmp_path: Path) -> Path:
    """Two plugins that claim a model type, an alias and a family of the same names; and where registry files go."""
    types = toy_types("toy-1b", aliases=["small"])
    for name in ("toy", "other"):
        write_plugin(tmp_path, name, manifest(name, families={"toy": FAMILY}, model_types=types))
    return tmp_path


def loaded(folder: Path, plugins: object, **more: object) -> Registry:
    file = write_yaml(folder / "registry.yaml", {"registry": 1, "plugins": plugins, **more})
    return load_registry(RegistrySources(None, False, None, (file,)))


def test_the_error_says_how_to_choose_and_choosing_so_settles_it(two_owners: Path) -> None:
    contested = loaded(two_owners, packages("toy", "other"))
    assert set(contested.contested) == {"toy-1b", "small", "family toy"}
    owners: dict[str, dict[str, str]] = {}
    for name in ("toy-1b", "small"):
        with pytest.raises(DuplicateNameError) as caught:
            contested.model_type(name)
        assert f"owners: {{model_types: {{{name}: other}}}} (or toy)" in caught.value.remedy
        assert "plugins: {toy: {enabled: false}}" in caught.value.remedy
        owners.setdefault("model_types", {})[name] = "other"
    with pytest.raises(DuplicateNameError, match=r"owners: \{families: \{toy: other\}\}"):
        contested.family("toy")
    owners["families"] = {"toy": "toy"}
    registry = loaded(two_owners, packages("toy", "other"), owners=owners)
    assert (registry.contested, registry.problems) == ({}, ())
    assert registry.model_type("small") is registry.model_type("toy-1b")
    assert (registry.model_type("toy-1b").plugin, registry.owner("toy").name) == ("other", "toy")


def test_choosing_a_plugin_that_does_not_claim_the_name_is_a_problem(two_owners: Path) -> None:
    registry = loaded(two_owners, packages("toy", "other"), owners={"model_types": {"toy-1b": "third"}})
    (problem,) = registry.problems
    assert str(problem).endswith("third does not declare toy-1b. Choose toy or other.")
    assert "toy-1b" in registry.contested


def test_turning_one_owner_off_settles_a_conflict(two_owners: Path) -> None:
    plugins = packages("toy", "other")
    plugins["other"]["enabled"] = False
    registry = loaded(two_owners, plugins)
    assert registry.model_type("toy-1b").plugin == "toy"
    assert registry.plugin("other").status == "off"


def test_an_alias_that_a_file_gives_is_claimed_there(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", manifest("toy", model_types=toy_types("toy-1b", "toy-2b")))
    registry = loaded(tmp_path, packages("toy"), model_types={"toy-2b": {"aliases": ["toy-1b"]}})
    with pytest.raises(DuplicateNameError) as caught:
        registry.model_type("toy-1b")
    assert str(tmp_path / "registry.yaml") in caught.value.problem
    assert caught.value.remedy == "Give one of the two another name."
    assert registry.model_type("toy-2b").name == "toy-2b"


def test_a_family_with_two_owners_is_an_error_that_names_both(two_owners: Path) -> None:
    registry = loaded(two_owners, packages("toy", "other"))
    with pytest.raises(DuplicateNameError, match=r"'family toy' is claimed by plugin toy .* and plugin other"):
        registry.family("toy")


CHANGED = {
    "hub": {"huggingface": "mirror/Toy-1B"},
    "aliases": ["mine"],
    "limits": {"images": 4},
    "context_length": 64,
    "checkpoint": "here",
}


def test_registry_files_change_single_values(tmp_path: Path) -> None:
    given = toy_types("toy-1b", hub={"huggingface": "Org/Toy", "modelscope": "org/Toy"}, limits={"frames": 8})
    write_plugin(tmp_path, "toy", manifest("toy", model_types=given))
    registry = loaded(tmp_path, packages("toy"), model_types={"toy-1b": CHANGED})
    entry = registry.model_type("mine")
    assert (entry.name, entry.hub) == ("toy-1b", Hub("mirror/Toy-1B", "org/Toy"))
    assert (entry.limits, entry.context_length) == (Limits(images=4, frames=8), 64)
    assert (entry.checkpoint, entry.parameters) == (tmp_path / "here", 1000)


def test_the_source_of_each_value_is_known(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", manifest("toy", model_types=toy_types("toy-1b", hub={"modelscope": "org/Toy"})))
    file = tmp_path / "registry.yaml"
    sources = loaded(tmp_path, packages("toy"), model_types={"toy-1b": CHANGED}).value_sources("mine")
    lines = file.read_text().splitlines()
    for name in ("hub.huggingface", "aliases", "limits.images", "context_length", "checkpoint"):
        assert sources[name].file == file
        assert name.rpartition(".")[2] in lines[sources[name].line - 1]
    own = tmp_path / "toy_plugin" / "manifest.yaml"
    lines = own.read_text().splitlines()
    for name in ("family", "parameters", "licence.name", "hub.modelscope"):
        assert (sources[name].layer, sources[name].file) == ("option", own)
        assert name.rpartition(".")[2] in lines[sources[name].line - 1]
    assert "vision_parameters" not in sources


def test_a_value_of_an_unknown_model_type_is_a_problem_and_nothing_else(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    registry = loaded(tmp_path, packages("toy"), model_types={"toy_1b": {"context_length": 5}, "qwen-vl": {}})
    (problem,) = registry.problems
    assert str(problem).startswith(f"{tmp_path / 'registry.yaml'}:")
    assert str(problem).endswith("model_types: there is no model type 'toy_1b'. Did you mean toy-1b?")
    assert registry.model_type("toy-1b").context_length == 128


def test_the_strongest_file_says_what_the_default_is(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    weak = write_yaml(tmp_path / "weak.yaml", {"registry": 1, "default_model_type": "other"})
    strong = {"registry": 1, "plugins": packages("toy"), "default_model_type": "toy-1b"}
    file = write_yaml(tmp_path / "strong.yaml", strong)
    registry = load_registry(RegistrySources(None, False, weak, (file,)))
    assert registry.default_model_type == Setting("toy-1b", Source("option", file, 5))
    assert registry.problems == ()
    assert load_registry(RegistrySources(None, False)).default_model_type is None


def test_a_default_that_is_no_model_type_is_a_problem(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest())
    (problem,) = loaded(tmp_path, packages("toy"), default_model_type="toy-1").problems
    assert str(problem).endswith("default_model_type: there is no model type 'toy-1'. Did you mean toy-1b?")


def test_a_model_type_requires_what_its_plugins_and_its_family_require(tmp_path: Path) -> None:
    content = toy_manifest(requires={"torch": ">=2.6"}, family={"requires": {"Pillow": ">=10"}})
    write_plugin(tmp_path, "toy", content)
    own = toy_types("toy-2b", requires={"pillow": "<12, >=10", "timm": ">=1"})
    write_plugin(tmp_path, "more", manifest("more", requires={"numpy": ">=2"}, model_types=own))
    registry = registry_of(tmp_path, packages("toy", "more"))
    assert registry.model_type("toy-2b").requires == {
        "numpy": ">=2",
        "torch": ">=2.6",
        "Pillow": ">=10,<12",
        "timm": ">=1",
    }
    assert registry.model_type("toy-1b").requires == {"torch": ">=2.6", "Pillow": ">=10"}
    assert registry.plugin("more").requires == {"numpy": ">=2"}


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


REGISTERED = {"distribution": "vlmplug-internvl2", "package": "no_such_package"}
ABSENT = [
    ({"internvl2": REGISTERED}, {}, "Plugin internvl2 is not installed. Run: pip install vlmplug-internvl2"),
    (
        {"internvl2": {**REGISTERED, "enabled": False}},
        {},
        "Plugin internvl2 is off: `vlmplug plugins enable internvl2`, or change ",
    ),
    ({"internvl2": REGISTERED}, {"plugins_blocked": ["internvl2"]}, "Plugin internvl2 is listed in plugins_blocked of"),
    ({"internvl2": {"manifest": "broken.yaml"}}, {}, "broken.yaml:1: the document: the key 'plugin' is missing."),
    ({}, {}, "Its checkpoint is OpenGVLab/InternVL2-2B on Hugging Face. To run it here, write a plugin"),
]


@pytest.mark.parametrize(("plugins", "lists", "said"), ABSENT)
def test_a_known_model_type_without_a_working_plugin_says_what_to_do(
    tmp_path: Path, plugins: object, lists: dict[str, object], said: str
) -> None:
    write_yaml(tmp_path / "broken.yaml", "manifest: 1\n")
    registry = loaded(tmp_path, plugins, **lists)
    known = r"^Model type internvl2-2b \(.*\) is known, but no plugin here runs it\."
    with pytest.raises(NoPluginError, match=known) as caught:
        registry.model_type("internvl2-2b")
    assert said in caught.value.remedy


def test_a_plugin_too_old_for_a_model_type_is_to_be_upgraded(tmp_path: Path) -> None:
    write_plugin(tmp_path, "internvl2", manifest("internvl2"))
    with pytest.raises(NoPluginError, match=r"Upgrade internvl2\.$"):
        registry_of(tmp_path, packages("internvl2")).model_type("internvl2-2b")


def test_a_working_plugin_always_wins_over_what_is_only_known(tmp_path: Path) -> None:
    write_plugin(tmp_path, "mine", manifest("mine", model_types=toy_types("pixtral-12b", aliases=["qwen-vl"])))
    registry = registry_of(tmp_path, packages("mine"))
    assert registry.model_type("qwen-vl").name == "pixtral-12b"
    assert registry.known.keys().isdisjoint({"pixtral-12b", "qwen-vl"})
    assert "qwen-vl-chat" in registry.known


def test_names_that_run_here_are_nearer_than_names_that_are_only_known(tmp_path: Path) -> None:
    write_plugin(tmp_path, "mine", manifest("mine", model_types=toy_types("internvl2-3b")))
    registry = registry_of(tmp_path, packages("mine"))
    with pytest.raises(UnknownModelTypeError, match=r"Did you mean internvl2-3b\?"):
        registry.model_type("internvl2-2c")
    with pytest.raises(UnknownModelTypeError, match="Did you mean pixtral-12b"):
        registry.model_type("pixtral-12")


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
    plugins = {f"vlmplug_{name}" for name in ("internvl2", "minicpm_v", "tiny", "xcomposer2_5")}
    assert loaded.isdisjoint({*_HEAVY, *plugins})


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
