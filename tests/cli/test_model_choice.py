"""``--model`` and ``--model-dir`` of the commands that run a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run

CHECKPOINT = Path(__file__).parents[2] / "plugins" / "tiny" / "vlmplug_tiny" / "checkpoint"


def rendered(run: Run, *flags: object) -> str:
    ran = run("render", *flags, "--json", "Hi")
    assert ran.code == 0, ran.err
    return str(ran.json["model_type"])


@pytest.mark.parametrize("flag", ["--model", "--model-type", "--model_type"])
def test_all_spellings_name_a_model_type(run: Run, golden: Path, flag: str) -> None:
    assert rendered(run, flag, "OpenGVLab/InternVL2-2B", "--model-dir", golden / "tiny") == "internvl2-2b"


@pytest.mark.parametrize("flags", [(), ("--model", "tiny"), ("--model", CHECKPOINT), ("--model-dir", CHECKPOINT)])
def test_a_folder_needs_no_name_and_a_name_no_folder(run: Run, flags: tuple[object, ...]) -> None:
    assert rendered(run, *flags) == "internvl2-tiny"


@pytest.mark.parametrize("swapped", [False, True])
def test_a_model_type_beside_its_folder(run: Run, golden: Path, swapped: bool) -> None:
    named = ("--model-type", "internvl2-2b", "--model", golden / "tiny")
    assert rendered(run, *(named[2:] + named[:2] if swapped else named)) == "internvl2-2b"


@pytest.mark.parametrize("again", ["internvl2-2b", "OpenGVLab/InternVL2-2B"])
def test_the_same_model_may_be_named_twice(run: Run, golden: Path, again: str) -> None:
    flags = ("--model-type", "internvl2-2b", "--model", again, "--model-dir", golden / "tiny")
    assert rendered(run, *flags) == "internvl2-2b"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("--model-type", "internvl2-2b", "--model", "internvl2-8b"),
            "--model and --model-type name two models: internvl2-8b is internvl2-8b, and internvl2-2b is internvl2-2b",
        ),
        (("--model-type", "tiny", "--model", CHECKPOINT, "--model-dir", CHECKPOINT), "name two folders"),
        (("--model", CHECKPOINT, "--model-dir", CHECKPOINT), "is a folder, and --model-dir names another"),
        (("--model", "internvl2-3b"), "Did you mean internvl2"),
        (("--model", "qwen2-vl-7b-instruct"), "is known, but no plugin here runs it"),
        (("--model", "./nowhere"), "There is no folder nowhere"),
        (("--model-dir", "nowhere"), "There is no folder nowhere"),
    ],
)
def test_what_leads_nowhere(run: Run, flags: tuple[object, ...], said: str) -> None:
    ran = run("render", *flags, "Hi")
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err


def test_a_folder_of_no_single_type_asks_for_one(run: Run, golden: Path) -> None:
    ran = run("infer", "--model", golden / "tiny", "Hi")
    assert ran.code == 1
    assert f"--model TYPE --model-dir {golden / 'tiny'}" in ran.err
