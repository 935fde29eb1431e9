"""A verification is recorded with what ran, on what, and for whom."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import pytest

from tests.verify.conftest import Edit
from vlmplug.errors import OptionError, RecordError, RegistryError
from vlmplug.file_digest import plugin_digest
from vlmplug.registry import Registry, load_registry
from vlmplug.run_record import RunRecord, Tally, read_run_record
from vlmplug.verification import BASIC_CHECKS, read_verification
from vlmplug.verify import CaseResult, GoldenSet, Selection, VerifyOptions, VerifyReport, read_golden_set, verify
from vlmplug.verify.forward_cases import EngineChoice
from vlmplug.verify.record import (
    check_recordable,
    family_of,
    records_folder,
    records_of,
    true_shape_record,
    write_records,
)
from vlmplug.verify.result import Finding, Section, judged

HOOKS: tuple[Section, ...] = ("prompts", "preprocess", "video")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def golden_set(golden: Path) -> GoldenSet:
    return read_golden_set(golden)


def forward(mode: str, *findings: Finding) -> CaseResult:
    return judged(CaseResult("forward", "tiny", "one", "not run", mode=mode), findings)


def report(*results: CaseResult) -> VerifyReport:
    return VerifyReport("internvl2 set A", "internvl2", results)


@pytest.fixture(scope="module")
def hooks_record(golden_set: GoldenSet, registry: Registry) -> RunRecord:
    """The record of a real run."""
    options = VerifyOptions(Selection(HOOKS))
    (record,) = records_of(golden_set, options.engine, verify(golden_set, options, registry), registry)
    return record


def test_a_real_run(hooks_record: RunRecord, registry: Registry) -> None:
    assert hooks_record.tallies == (
        Tally("tiny", "internvl2-2b", "prompt", 28, undefined=4),
        Tally("tiny_6b", "internvl2-26b", "prompt", 28, undefined=4),
        Tally("tiny_qwen2", "internvl2-1b", "prompt", 28, undefined=4),
        Tally("official-internvl2", None, "preprocessing", 90),
        Tally("", None, "preprocessing", 12),
    )
    plugin = registry.owner("internvl2")
    assert plugin.manifest is not None
    assert hooks_record.plugin.digest == plugin_digest(plugin.manifest, plugin.hooks)
    assert (hooks_record.family, hooks_record.mode, hooks_record.passed) == ("internvl2", "hooks", True)
    assert set(hooks_record.builds) == {"internvl2-1b", "internvl2-2b", "internvl2-26b"}


def test_where_and_when(hooks_record: RunRecord) -> None:
    run = hooks_record.run
    assert (run.device, run.dtype, run.tp) == ("cpu", "float32", 1)
    assert run.machine
    assert run.date == datetime.now(timezone.utc).date().isoformat()
    assert run.command == "vlmplug verify internvl2 --only prompts,preprocess,video --record"
    for name in ("vlmplug", "vlmplug-internvl2", "torch", "lmdeploy", "transformers", "pillow"):
        assert run.versions[name] == metadata.version(name)


def test_the_record_makes_model_types_verified(
    golden_set: GoldenSet, registry: Registry, hooks_record: RunRecord, tmp_path: Path
) -> None:
    """Beside a copy of the manifest, with the same code."""
    plugin = registry.owner("internvl2")
    assert plugin.manifest is not None
    manifest = Path(shutil.copy(plugin.manifest, tmp_path))
    results = [forward("alone", Finding("features", "", 0.0, 1e-4), Finding("logits", "", 0.0, 1e-4))]
    for made in (hooks_record, *records_of(golden_set, EngineChoice(), report(*results), registry)):
        (tmp_path / "verified").mkdir(exist_ok=True)
        (tmp_path / "verified" / made.file_name).write_text(made.text())
    verification = read_verification(replace(plugin, manifest=manifest))
    types = registry.model_types
    assert {name for name, entry in types.items() if verification.verified(entry)} == {"internvl2-2b", "internvl2-8b"}
    assert {str(verification.of(types["internvl2-8b"])[check]) for check in BASIC_CHECKS} == {
        "verified (as internvl2-2b)"
    }


def test_one_file_a_mode(golden_set: GoldenSet, registry: Registry, tmp_path: Path) -> None:
    engine = EngineChoice("cpu", "float32", ("alone", "cached"))
    results = [forward("alone", Finding("logits")), forward("cached", Finding("logits", "differs"))]
    files = write_records(golden_set, engine, report(*results), registry, tmp_path)
    assert [file.name for file in files] == [
        "internvl2-set-a.alone.cpu-float32.json",
        "internvl2-set-a.cached.cpu-float32.json",
    ]
    well, wrong = map(read_run_record, files)
    assert (well.passed, wrong.passed) == (True, False)
    assert wrong.tallies == (Tally("tiny", "internvl2-2b", "cache", 0, 1),)
    assert wrong.run.command == (
        "vlmplug verify internvl2 --only forward --cached --device cpu --dtype float32 --record"
    )


def test_several_gpus(golden_set: GoldenSet, registry: Registry) -> None:
    engine = EngineChoice("cuda", "float32", tp=2)
    (record,) = records_of(golden_set, engine, report(forward("alone", Finding("greedy"))), registry)
    assert record.tallies == (Tally("tiny", "internvl2-2b", "tp", 1),)
    assert record.file_name == "internvl2-set-a.alone.cuda-float32-tp2.json"
    assert "--device cuda --dtype float32 --tp 2" in record.run.command


def test_what_did_not_run_is_not_recorded(golden_set: GoldenSet, registry: Registry) -> None:
    unrun = CaseResult("forward", "tiny", "one", "not run", (), "needs a GPU", "batched")
    made = records_of(golden_set, EngineChoice(), report(unrun, forward("alone", Finding("greedy"))), registry)
    assert [record.mode for record in made] == ["alone"]
    nothing = VerifyReport("internvl2 set A", "internvl2", (unrun,), ("needs a GPU",))
    with pytest.raises(RecordError, match=r"Nothing of internvl2 set A could be run here") as caught:
        records_of(golden_set, EngineChoice(), nothing, registry)
    assert caught.value.remedy == "needs a GPU"


def test_the_set_is_known_by_its_files(registry: Registry, edited: Edit) -> None:
    def digest(folder: Path) -> str:
        results = report(forward("alone", Finding("x")))
        return records_of(read_golden_set(folder), EngineChoice(), results, registry)[0].subject_digest

    folder = edited("set.json", lambda content: None)
    before = digest(folder)
    (folder / "README.md").write_text("other words")
    content = json.loads((folder / "forward.json").read_text())
    assert digest(folder) == before
    content["cases"][0]["greedy"][0] += 1
    (folder / "forward.json").write_text(json.dumps(content))
    assert digest(folder) != before


def test_the_same_set_with_other_line_ends(registry: Registry, edited: Edit) -> None:
    folder = edited("set.json", lambda content: None)
    before = read_golden_set(folder)
    results = report(forward("alone", Finding("x")))
    first = records_of(before, EngineChoice(), results, registry)[0].subject_digest
    for file in folder.glob("*.json"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert records_of(before, EngineChoice(), results, registry)[0].subject_digest == first


@pytest.mark.parametrize(
    ("selection", "whole"),
    [
        (Selection(), True),
        (Selection(("forward",)), True),
        (Selection(HOOKS), True),
        (Selection((*HOOKS, "forward")), True),
        (Selection(("prompts",)), False),
        (Selection(("forward", "video")), False),
        (Selection(cases=("one*",)), False),
        (Selection(("forward",), checkpoints=("tiny",)), False),
    ],
)
def test_a_part_of_a_section_says_nothing(selection: Selection, whole: bool) -> None:
    if whole:
        check_recordable(selection)
        return
    with pytest.raises(OptionError, match="A part of the set cannot be recorded"):
        check_recordable(selection)


def test_a_true_shape(registry: Registry) -> None:
    record = true_shape_record(registry, "internvl2-2b", EngineChoice("cpu", "float32"), (84, 0), "python x.py")
    assert (record.mode, record.subject, record.passed) == ("true shape", "internvl2-2b", True)
    assert record.tallies == (Tally("", "internvl2-2b", "true size", 84),)
    assert record.file_name == "internvl2-2b.true-shape.cpu-float32.json"
    assert not true_shape_record(registry, "internvl2-2b", EngineChoice(), (83, 1), "").passed


def test_the_folder_is_beside_the_manifest_of_the_family(golden_set: GoldenSet, registry: Registry) -> None:
    manifest = registry.plugins["internvl2"].manifest
    assert manifest is not None
    assert records_folder(registry, family_of(golden_set, registry)) == manifest.parent / "verified"


def test_a_set_that_nobody_offers(golden_set: GoldenSet) -> None:
    with pytest.raises(RegistryError, match="internvl2-2b"):
        family_of(golden_set, Registry({}))
