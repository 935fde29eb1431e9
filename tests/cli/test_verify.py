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
    monkeypatch.setattr(runner, "run_forward", lambda golden, cases, choice, registry: seen.append(choice) or iter(()))
    flags = ("--cached", "--batched", "--cached", "--device", "cuda", "--dtype", "bfloat16")
    run("verify", golden, "--only", "forward", *flags)
    run("verify", golden, "--only", "forward")
    given, default = seen
    assert (given.modes, given.device, given.dtype) == (("cached", "batched"), "cuda", "bfloat16")
    assert (default.modes, default.device, default.dtype) == (("alone",), "cpu", "float32")
