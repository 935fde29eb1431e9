"""``verify``: exit code 0 where everything passes, 1 on a miss, 2 on a set that is broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run


def changed(golden: Path, tmp_path: Path, change: Callable[[Any], object]) -> Path:
    copy = tmp_path / "set"
    shutil.copytree(golden, copy)
    content = json.loads((copy / "prompts.json").read_text(encoding="utf-8"))
    change(content)
    (copy / "prompts.json").write_text(json.dumps(content), encoding="utf-8")
    return copy


@pytest.fixture
def short(golden: Path, tmp_path: Path) -> Path:
    """A copy of the set with a few pictures to preprocess, for tests about what becomes of a whole set."""
    copy = changed(golden, tmp_path, lambda content: None)
    content = json.loads((copy / "preprocess.json").read_text(encoding="utf-8"))
    content["cases"] = content["cases"][:3]
    (copy / "preprocess.json").write_text(json.dumps(content), encoding="utf-8")
    return copy


def test_all_well(run: Run, golden: Path) -> None:
    ran = run("verify", golden, "--only", "prompts,video", "--checkpoint", "tiny", "--checkpoint", "official-internvl2")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-1] == "PASSED internvl2 set A: 40 passed, 0 failed, 4 undefined, 0 not run"
    assert "refused  prompts tiny UNDEFINED_literal_context_with_image" in ran.out


def test_a_miss(run: Run, golden: Path, tmp_path: Path) -> None:
    def other_id(content: Any) -> None:
        content["cases"][0]["expect"]["input_ids"][3] += 1

    folder = changed(golden, tmp_path, other_id)
    ran = run("verify", folder, "--only", "prompts")
    assert ran.code == 1
    assert "ids: first difference at 3: expected " in ran.out
    assert ran.out.splitlines()[-1].startswith("FAILED internvl2 set A: 83 passed, 1 failed")


def test_a_broken_set(run: Run, golden: Path, tmp_path: Path) -> None:
    folder = changed(golden, tmp_path, lambda content: content.update(colour="blue"))
    ran = run("verify", folder)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: prompts.json: the file: unknown key 'colour'.")


def test_a_folder_that_is_no_set(run: Run, tmp_path: Path) -> None:
    ran = run("verify", tmp_path)
    assert ran.code == 2
    assert "set.json" in ran.err


def test_json(run: Run, golden: Path) -> None:
    ran = run("verify", golden, "--only", "one_image_tag", "--only", "prompts", "--json")
    assert ran.code == 0
    assert ran.json["passed"] is True
    assert [case["checkpoint"] for case in ran.json["cases"]] == ["tiny", "tiny_6b", "tiny_qwen2"]


def test_several_sets_and_a_summary(run: Run, golden: Path, tmp_path: Path) -> None:
    other = changed(golden, tmp_path, lambda content: content["cases"][0]["expect"].update(prompt="x"))
    ran = run("verify", golden, other, "--only", "prompts")
    assert ran.code == 1
    assert [line for line in ran.out.splitlines() if line.startswith(("PASSED", "FAILED internvl2"))] == [
        "PASSED internvl2 set A: 84 passed, 0 failed, 12 undefined, 0 not run",
        "FAILED internvl2 set A: 83 passed, 1 failed, 12 undefined, 0 not run",
    ]
    assert [line.split() for line in ran.out.splitlines()[-3:]] == [
        ["set", "passed", "failed", "undefined", "not", "run", "verdict"],
        ["internvl2", "set", "A", "84", "0", "12", "0", "passed"],
        ["internvl2", "set", "A", "83", "1", "12", "0", "failed"],
    ]


def test_a_broken_set_among_several_keeps_none_from_being_verified(run: Run, golden: Path, tmp_path: Path) -> None:
    ran = run("verify", tmp_path, golden, "--only", "video", "--json")
    assert ran.code == 2
    broken, whole = ran.json["sets"]
    assert (ran.json["passed"], broken["passed"], whole["passed"]) == (False, False, True)
    assert broken["folder"] == str(tmp_path)
    assert "set.json cannot be read" in broken["error"]
    assert whole["counts"] == {"passed": 12}
    text = run("verify", tmp_path, golden, "--only", "video").out
    assert f"{tmp_path}: {tmp_path}/set.json cannot be read" in text.splitlines()[-1]


def test_a_set_without_a_plugin_among_several(run: Run, golden: Path, tmp_path: Path) -> None:
    copy = changed(golden, tmp_path, lambda content: None)
    facts = json.loads((copy / "set.json").read_text(encoding="utf-8"))
    for checkpoint in facts["checkpoints"].values():
        checkpoint["stands_for"] = "gpt-9"
    (copy / "set.json").write_text(json.dumps(facts), encoding="utf-8")
    ran = run("verify", golden, copy, "--only", "video")
    assert ran.code == 1
    assert "No working plugin offers what internvl2 set A is about (gpt-9)." in ran.out.splitlines()[-1]


def test_a_weight_file_that_was_cut_is_a_broken_set(run: Run, golden: Path, tmp_path: Path) -> None:
    weights = changed(golden, tmp_path, lambda content: None) / "tiny" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    ran = run("verify", weights.parent.parent, "--only", "forward")
    assert (ran.code, ran.out) == (2, "")
    assert "model.safetensors ends inside of" in ran.err


def test_recording(run: Run, short: Path, tmp_path: Path) -> None:
    ran = run("verify", short, "--only", "prompts,preprocess,video", "--record-folder", tmp_path / "new", "--json")
    (file,) = (tmp_path / "new").iterdir()
    assert (ran.code, ran.json["records"], ran.err) == (0, [str(file)], f"recorded: {file}\n")
    assert json.loads(file.read_text(encoding="utf-8"))["passed"] is True


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--checkpoint", "tiny"), "A part of the set cannot be recorded."),
        (("--only", "one_image*"), "A part of the set cannot be recorded."),
        (("--only", "prompts"), "A part of the set cannot be recorded."),
        (("--only", "video", "--record-folder", "/dev/null/x"), "A part of the set cannot be recorded."),
        (("--only", "prompts,preprocess,video", "--record-folder", "/dev/null/x"), "cannot be written"),
    ],
)
def test_what_is_not_recorded(flags: tuple[str, ...], says: str, run: Run, short: Path) -> None:
    ran = run("verify", short, "--record", *flags)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err


@pytest.mark.parametrize("flags", [("--tp", "0"), ("--tp", "-1", "--device", "cuda")])
def test_numbers_of_ranks_that_make_no_sense(flags: tuple[str, ...], run: Run, golden: Path) -> None:
    ran = run("verify", golden, *flags)
    assert (ran.code, ran.out) == (1, "")
    assert f"--tp is {flags[1]}." in ran.err


@pytest.mark.parametrize(
    ("flags", "says"),
    [(("--checkpoint", "tiny_7b"), "no checkpoint 'tiny_7b'"), (("--only", "nothing*"), "No case of the set fits")],
)
def test_selections_that_fit_nothing(flags: tuple[str, ...], says: str, run: Run, golden: Path) -> None:
    ran = run("verify", golden, *flags)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err


def test_modes_and_precision_reach_the_engine(monkeypatch: pytest.MonkeyPatch, run: Run, golden: Path) -> None:
    from vlmplug.verify import runner

    seen: list[Any] = []
    monkeypatch.setattr(runner, "run_forward", lambda golden, cases, choice, *rest: seen.append(choice) or iter(()))
    flags = ("--cached", "--batched", "--cached", "--device", "cuda", "--dtype", "bfloat16", "--tp", "2")
    run("verify", golden, "--only", "forward", *flags)
    run("verify", golden, "--only", "forward")
    given, default = seen
    assert (given.modes, given.device, given.dtype, given.tp) == (("cached", "batched"), "cuda", "bfloat16", 2)
    assert (default.modes, default.device, default.dtype, default.tp) == (("alone",), "cpu", "float32", 1)
