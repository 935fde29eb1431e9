"""A plugin that is right passes the set; one wrong value in the set is found, and named, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import __version__ as pillow_version

from tests.verify.conftest import Edit
from vlmplug.verify import Selection, VerifyOptions, VerifyReport, read_golden_set, verify
from vlmplug.verify.goldens import ExpectedMedia, GoldenSet
from vlmplug.verify.hook_cases import pixel_tolerance

PROMPT, PICTURE, CLIP = "two_images_separate", "rgb_300x100.max12", "frames_100f_25.0fps_8"


def run(folder: Path, *cases: str, **selection: Any) -> VerifyReport:
    options = VerifyOptions(Selection(cases=cases, **selection))
    return verify(read_golden_set(folder), options)


def test_all_cases_of_the_set_without_an_engine(golden: Path) -> None:
    report = run(golden, sections=("prompts", "preprocess", "video"))
    outcomes = [(result.section, result.outcome) for result in report.results]
    assert report.passed
    assert outcomes.count(("prompts", "passed")) == 84
    assert outcomes.count(("preprocess", "passed")) == 90
    assert outcomes.count(("video", "passed")) == 12
    assert {outcome for _, outcome in outcomes} == {"passed", "agrees", "refused"}
    assert all(result.case.startswith("UNDEFINED") for result in report.results if result.outcome != "passed")


def prompt_case(content: Any) -> Any:
    return next(case for case in content["cases"] if (case["checkpoint"], case["id"]) == ("tiny", PROMPT))


def picture_case(content: Any) -> Any:
    return next(case for case in content["cases"] if case["id"] == PICTURE)


def clip_case(content: Any) -> Any:
    return next(entry for entry in content["video"] if entry["id"] == CLIP)


def changed_id(content: Any) -> None:
    prompt_case(content)["expect"]["input_ids"][200] += 1


def changed_prompt(content: Any) -> None:
    case = prompt_case(content)
    case["expect"]["prompt"] = case["expect"]["prompt"].replace("\n", "\n ", 1)


def moved_span(content: Any) -> None:
    prompt_case(content)["expect"]["media"][0]["start"] -= 1


def other_picture(content: Any) -> None:
    prompt_case(content)["expect"]["media"][1]["id"] = "im3"


def other_positions(content: Any) -> None:
    expect = prompt_case(content)["expect"]
    expect["position_ids"] = [0, *range(len(expect["input_ids"]) - 1)]


def changed_sample(content: Any) -> None:
    picture_case(content)["expect"]["pixels"]["samples"][5][1] += 0.001


def moved_sample(content: Any) -> None:
    picture_case(content)["expect"]["pixels"]["samples"][5][0] += 3 * 448 * 448 + 1


PLANTED: tuple[tuple[str, Callable[[Any], object], str, str], ...] = (
    ("prompts.json", changed_id, "ids", "first difference at 200"),
    ("prompts.json", lambda c: prompt_case(c)["expect"]["input_ids"].append(1), "ids", "got nothing"),
    ("prompts.json", changed_prompt, "prompt", "first difference at character"),
    ("prompts.json", moved_span, "spans", "first difference at media 0"),
    ("prompts.json", other_picture, "spans", "expected im3 at"),
    ("prompts.json", other_positions, "positions", "first difference at 1: expected 0, got 1"),
    ("preprocess.json", lambda c: picture_case(c)["expect"].update(grid=[1, 3]), "grid", "expected (1, 3), got (3, 1)"),
    ("preprocess.json", lambda c: picture_case(c)["expect"].update(tiles=3), "tiles", "expected 3, got 4"),
    ("preprocess.json", lambda c: picture_case(c)["expect"].update(tokens=1), "tokens", "expected 1, got 1024"),
    ("preprocess.json", lambda c: picture_case(c)["expect"]["sizes"].pop(), "sizes", "got (448, 448)"),
    ("preprocess.json", changed_sample, "pixels", "largest difference 0.001"),
    ("preprocess.json", moved_sample, "pixels", "at tile 2"),
    ("preprocess.json", lambda c: picture_case(c)["expect"]["pixels"].update(mean=0.5), "pixel mean", "expected 0.5"),
    ("preprocess.json", lambda c: picture_case(c)["expect"]["pixels"].update(std=1.0), "pixel std", "expected 1"),
    (
        "preprocess.json",
        lambda c: clip_case(c)["expect"]["indices"].insert(2, 20),
        "frames",
        "at 2: expected 20, got 31",
    ),
)


@pytest.mark.parametrize(("file", "change", "check", "says"), PLANTED, ids=[f"{p[2]}-{p[3][:20]}" for p in PLANTED])
def test_a_planted_error_is_found_and_named(
    file: str, change: Callable[[Any], object], check: str, says: str, edited: Edit
) -> None:
    folder = edited(file, change)
    sections = ("prompts",) if file == "prompts.json" else ("preprocess", "video")
    report = run(folder, PROMPT, PICTURE, CLIP, "rgb_448x448.max12", sections=sections)
    assert not report.passed
    (failed,) = (result for result in report.results if result.outcome == "failed")
    assert failed.case in (PROMPT, PICTURE, CLIP)
    wrong = {finding.check: finding for finding in failed.findings if not finding.passed}
    assert says in wrong[check].problem
    # A longer list of ids has other positions, a picture less has other sizes: nothing else may be affected.
    assert set(wrong) <= {check, "positions"}
    assert len(report.results) > 1


def test_an_undefined_case_never_counts(edited: Edit) -> None:
    folder = edited("prompts.json", lambda c: (changed_id(c), prompt_case(c).update(undefined=True)))
    report = run(folder, PROMPT, sections=("prompts",))
    assert report.passed
    assert {result.checkpoint: result.outcome for result in report.results} == {
        "tiny": "differs",
        "tiny_6b": "passed",
        "tiny_qwen2": "passed",
    }


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("set.json", lambda c: c["checkpoints"]["tiny"].update(stands_for="gpt-9"), "UnknownModelTypeError"),
        ("tiny/config.json", lambda c: c.update(architectures=["Other"]), "CheckpointMismatchError"),
        ("prompts.json", lambda c: prompt_case(c)["options"].update(hd_num=24), "OptionError"),
        ("prompts.json", lambda c: prompt_case(c)["messages"][-1].update(role="observation"), "ConversationError"),
    ],
)
def test_what_a_plugin_does_not_support_is_a_failure_with_its_typed_error(
    file: str, change: Callable[[Any], object], says: str, edited: Edit
) -> None:
    report = run(edited(file, change), PROMPT, sections=("prompts",), checkpoints=("tiny",))
    (result,) = report.results
    assert result.outcome == "failed"
    assert result.reason.startswith(says)


def test_missing_official_settings_fail_each_picture(edited: Edit) -> None:
    folder = edited("preprocess.json", lambda c: picture_case(c).update(checkpoint="official-other"))
    report = run(folder, PICTURE, "rgb_448x448.max12", sections=("preprocess",))
    assert {result.checkpoint: result.outcome for result in report.results} == {
        "official-other": "failed",
        "official-internvl2": "passed",
    }


@pytest.fixture(scope="module")
def golden_set(golden: Path) -> GoldenSet:
    return read_golden_set(golden)


@pytest.mark.parametrize(
    ("pillow", "case", "values", "statistics"),
    [
        (pillow_version, {}, 1e-4, 1e-4),
        (pillow_version.rsplit(".", 1)[0], {}, 1e-4, 1e-4),
        ("1.1.7", {}, 0.02, 0.02),
        ("", {}, 0.02, 0.02),
        ("1.1.7", {"pixel_abs": 0.05}, 0.05, 0.05),
        (pillow_version, {"pixel_abs": 0.05, "statistics_abs": 0.002}, 0.05, 0.002),
    ],
)
def test_which_tolerance_holds(
    pillow: str, case: dict[str, float], values: float, statistics: float, golden_set: GoldenSet
) -> None:
    of_version = replace(golden_set, versions={"pillow": pillow} if pillow else {})
    expect = ExpectedMedia(None, None, None, None, None, **case)
    tolerance = pixel_tolerance(of_version, expect)
    assert (tolerance.values, tolerance.statistics) == (values, statistics)
