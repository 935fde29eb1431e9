"""What counts as verified: current records of runs, for a model type itself or one of the same build."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from tests.plugin_maker import FAMILY, MODEL_TYPE, manifest, write_yaml
from tests.record_maker import run_record
from vlmplug.discovery import RegistrySources
from vlmplug.file_digest import PluginDigest, plugin_digest
from vlmplug.model_build import Build, build_of
from vlmplug.registry import Registry, load_registry
from vlmplug.run_record import PluginState, RunRecord, Tally, write_run_record
from vlmplug.verification import BASIC_CHECKS, CHECKS, Outcome, State, Verification, read_verification

CONFIG = {"llm_config": {"architectures": ["ToyForCausalLM"], "hidden_size": 8}}
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "toy-1b": {"shape": CONFIG},
    "toy-2b": {"shape": {"llm_config": {"architectures": ["ToyForCausalLM"], "hidden_size": 16}}},
    "toy-3b": {"shape": {"llm_config": {"architectures": ["OtherForCausalLM"], "hidden_size": 16}}},
    "toy-chat": {"shape": CONFIG, "template": "chat"},
    "toy-bare": {},
}

OTHER_FILES = PluginDigest("0" * 64, "0" * 64)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A plugin without code, with a family of five model types."""
    types = {name: {**MODEL_TYPE, **parts} for name, parts in SHAPES.items()}
    types["toy-1b"]["aliases"] = ["toy-small"]
    write_yaml(tmp_path / "toy" / "manifest.yaml", manifest("toy", families={"toy": dict(FAMILY)}, model_types=types))
    file = write_yaml(
        tmp_path / "registry.yaml", {"registry": 1, "plugins": {"toy": {"manifest": "toy/manifest.yaml"}}}
    )
    return load_registry(RegistrySources(None, False, None, (file,)))


@pytest.fixture
def made(registry: Registry) -> Maker:
    return Maker(registry)


class Maker:
    """Writes records of the plugin as it is, and reads what is verified."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        manifest_file = registry.plugins["toy"].manifest
        assert manifest_file is not None
        self.manifest = manifest_file
        self.folder = manifest_file.parent / "verified"

    def state(self) -> PluginState:
        return PluginState("toy", "1.0", plugin_digest(self.manifest, None))

    def record(self, **parts: Any) -> RunRecord:
        builds = {"toy-1b": build_of(self.registry.model_types["toy-1b"])}
        return run_record(**{"plugin": self.state(), "builds": builds, **parts})

    def write(self, *tallies: Tally, **parts: Any) -> Path:
        return write_run_record(self.record(tallies=tallies, **parts), self.folder)

    def read(self) -> Verification:
        return read_verification(self.registry.plugins["toy"])

    def outcome(self, model_type: str, check: str = "prompt") -> Outcome:
        return self.read().of(self.registry.model_type(model_type))[check]


def tally(check: str = "prompt", passed: int = 3, failed: int = 0, stands_for: str | None = "toy-1b") -> Tally:
    return Tally("tiny", stands_for, check, passed, failed)


def test_nothing_is_verified_without_a_record(made: Maker) -> None:
    outcomes = made.read().of(made.registry.model_type("toy-1b"))
    assert list(outcomes) == list(CHECKS)
    assert {str(outcome) for outcome in outcomes.values()} == {"not run"}
    assert made.read().of_family("toy") == outcomes


@pytest.mark.parametrize(
    ("model_type", "says"),
    [
        ("toy-1b", "verified"),
        ("toy-small", "verified"),
        ("toy-2b", "verified (as toy-1b)"),
        ("toy-3b", "verified (family only)"),
        ("toy-chat", "verified (family only)"),
        ("toy-bare", "verified (family only)"),
    ],
)
def test_whom_a_run_speaks_for(model_type: str, says: str, made: Maker) -> None:
    made.write(tally())
    outcome = made.outcome(model_type)
    assert str(outcome) == says
    assert (outcome.state, outcome.by, outcome.passed) == ("verified", ("toy-1b",), 3)
    assert outcome.verified is (outcome.scope != "family")
    assert made.outcome(model_type, "features") == Outcome()


def test_what_ran_for_the_whole_family_speaks_for_those_that_the_set_stands_for(made: Maker) -> None:
    made.write(tally("preprocessing", stands_for=None))
    says = {name: str(made.outcome(name, "preprocessing")) for name in ("toy-1b", "toy-2b", "toy-3b")}
    assert says == {
        "toy-1b": "verified",
        "toy-2b": "verified (as toy-1b)",
        "toy-3b": "verified (family only)",
    }


def test_two_model_types_without_a_known_build_are_not_alike(made: Maker) -> None:
    """`toy-bare` stands for itself, and for nobody else whose configuration is unknown."""
    bare = build_of(made.registry.model_types["toy-bare"])
    made.write(tally(stands_for="toy-bare"), builds={"toy-bare": bare})
    unknown = replace(made.registry.model_types["toy-bare"], name="toy-unknown")
    assert str(made.outcome("toy-bare")) == "verified"
    assert made.read().of(unknown)["prompt"].scope == "family"


def test_a_model_type_that_was_changed_is_no_longer_the_one_that_ran(made: Maker) -> None:
    made.write(tally())
    entry = replace(made.registry.model_types["toy-1b"], template="chat")
    assert str(made.read().of(entry)["prompt"]) == "verified (family only)"


def test_a_failure_is_shown_and_the_nearest_run_decides(made: Maker) -> None:
    types = made.registry.model_types
    builds = {name: build_of(types[name]) for name in ("toy-1b", "toy-3b")}
    made.write(tally(), tally(passed=1, failed=2, stands_for="toy-3b"), builds=builds)
    assert [str(made.outcome(name)) for name in ("toy-1b", "toy-2b", "toy-3b")] == [
        "verified",
        "verified (as toy-1b)",
        "failed",
    ]
    assert str(made.outcome("toy-chat")) == "failed (family only)"
    family = made.read().of_family("toy")["prompt"]
    assert (family.state, family.passed, family.failed, family.by) == ("failed", 4, 2, ("toy-1b", "toy-3b"))


def test_a_failure_on_one_device_is_a_failure(made: Maker) -> None:
    made.write(tally("generation"), mode="alone")
    made.write(tally("generation", 2, 1), mode="alone", device="cuda", machine="a GPU", date="2026-11-23")
    outcome = made.outcome("toy-1b", "generation")
    assert (outcome.state, outcome.passed, outcome.failed) == ("failed", 5, 1)
    assert [record.run.machine for record in outcome.records] == ["a GPU", "a processor"]


def test_another_manifest_makes_a_record_outdated(made: Maker) -> None:
    made.write(tally())
    made.manifest.write_text(made.manifest.read_text() + "# more\n")
    outcome = made.outcome("toy-1b")
    assert (str(outcome), outcome.verified) == ("outdated", False)
    assert str(made.outcome("toy-2b")) == "outdated (as toy-1b)"
    assert [run.changed for run in made.read().runs] == ["the plugin's manifest has changed since"]


@pytest.mark.parametrize(
    ("parts", "changed"),
    [
        ({}, ""),
        ({"versions": {"vlmplug": "0.1.99"}}, ""),
        ({"versions": {"vlmplug": "0.0.9"}}, "it was made with vlmplug 0.0.9"),
        ({"versions": {"vlmplug": "1.1.0"}}, "it was made with vlmplug 1.1.0"),
        ({"versions": {}}, "it was made with vlmplug that was not installed"),
        ({"plugin": PluginState("toy", "1.0", OTHER_FILES)}, "the plugin's code has changed since"),
    ],
)
def test_what_makes_a_record_outdated(
    parts: dict[str, Any], changed: str, made: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1.3")
    made.write(tally(), **parts)
    assert [run.changed for run in made.read().runs] == [changed]
    assert made.outcome("toy-1b").state == ("outdated" if changed else "verified")


def test_a_current_run_takes_the_place_of_an_outdated_one(made: Maker) -> None:
    old = PluginState("toy", "0.9", OTHER_FILES)
    made.write(tally(passed=1, failed=5), device="cuda", mode="alone", plugin=old)
    made.write(tally(passed=4), mode="alone")
    outcome = made.outcome("toy-1b")
    assert (outcome.state, outcome.passed, outcome.failed, len(outcome.records)) == ("verified", 4, 0, 1)


def test_a_true_size_speaks_for_one_shape_and_does_not_age_with_the_manifest(made: Maker) -> None:
    made.write(tally("true size"), mode="true shape", subject="toy-1b")
    made.manifest.write_text(made.manifest.read_text() + "# more\n")
    says = {name: str(made.outcome(name, "true size")) for name in ("toy-1b", "toy-2b", "toy-3b")}
    assert says == {"toy-1b": "verified", "toy-2b": "not run", "toy-3b": "not run"}
    larger = replace(made.registry.model_types["toy-1b"], shape=made.registry.model_types["toy-2b"].shape)
    assert made.read().of(larger)["true size"].state == "not run"
    assert made.read().of_family("toy")["true size"].by == ("toy-1b",)


@pytest.mark.parametrize(
    ("missing", "failed", "verified"),
    [(None, None, True), ("generation", None, False), (None, "features", False), (None, "cache", False)],
)
def test_when_a_model_type_is_verified(missing: str | None, failed: str | None, verified: bool, made: Maker) -> None:
    checks = [check for check in (*BASIC_CHECKS, "cache") if check != missing]
    made.write(*(tally(check, failed=int(check == failed)) for check in checks))
    read = made.read()
    says = {name: read.verified(entry) for name, entry in made.registry.model_types.items()}
    assert says == dict.fromkeys(says, False) | {"toy-1b": verified, "toy-2b": verified}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no JSON", "cannot be read"),
        (b"{}", "no record of format 1"),
        (None, "was changed by hand"),
    ],
)
def test_a_record_that_does_not_count_is_a_problem_and_harms_no_other(
    content: bytes | None, says: str, made: Maker
) -> None:
    edited = made.write(tally("features", 1, 1), mode="alone")
    made.write(tally())
    facts = json.loads(edited.read_text())
    facts["tallies"][0].update(passed=2, failed=0)
    edited.write_bytes(json.dumps(facts).encode() if content is None else content)
    verification = made.read()
    (problem,) = verification.problems
    assert str(edited) in problem
    assert says in problem
    assert [str(made.outcome("toy-1b", check)) for check in ("prompt", "features")] == ["verified", "not run"]


def test_records_of_other_families_in_the_same_folder(made: Maker) -> None:
    made.write(tally(), family="other")
    assert str(made.outcome("toy-1b")) == "not run"
    assert made.read().of_family("other")["prompt"].state == "verified"


def test_a_plugin_that_is_not_installed(made: Maker) -> None:
    missing = replace(made.registry.plugins["toy"], manifest=None)
    assert read_verification(missing) == Verification()
    gone = replace(made.registry.plugins["toy"], manifest=made.folder / "none" / "manifest.yaml")
    assert read_verification(gone) == Verification()


def test_documents_have_the_same_keys_whatever_happened(made: Maker) -> None:
    made.write(tally())
    document = made.outcome("toy-2b").document()
    assert document == {
        "state": "verified",
        "scope": "build",
        "by": ["toy-1b"],
        "passed": 3,
        "failed": 0,
        "date": "2026-11-22",
        "device": "a processor",
        "dtype": "float32",
        "versions": {"python": "3.11.7", "vlmplug": "0.1.0"},
        "records": ["toy-set-a.hooks.json"],
    }
    nothing = Outcome().document()
    assert nothing.keys() == document.keys()
    assert (nothing["state"], nothing["scope"], nothing["date"]) == ("not run", None, None)
    json.dumps(nothing)


@pytest.mark.parametrize("state", ["verified", "failed", "outdated"])
def test_words(state: State) -> None:
    assert str(Outcome(state, "own", ("a",))) == state
    assert str(Outcome(state, "build", ("a", "b"))) == f"{state} (as a, b)"
    assert str(Outcome(state, "family", ("a",))) == f"{state} (family only)"
    assert str(Outcome("not run", "family")) == "not run"


def test_nothing_heavy_is_imported() -> None:
    code = """
import sys
from vlmplug.registry import load_registry
from vlmplug.verification import read_verification
registry = load_registry()
for entry in registry.model_types.values():
    read_verification(registry.owner(entry.family)).of(entry)
heavy = {"torch", "transformers", "lmdeploy", "numpy", "PIL", "pluggy", "vlmplug_internvl2.hooks", "vlmplug.verify"}
print(*sorted(heavy & set(sys.modules)))
"""
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_builds_of_records_are_those_of_the_registry(made: Maker) -> None:
    """A record read back compares equal with what the registry declares."""
    made.write(tally())
    (recorded,) = made.read().runs
    assert isinstance(recorded.record.builds["toy-1b"], Build)
    assert recorded.record.builds["toy-1b"] == build_of(made.registry.model_types["toy-1b"])
