"""A report counts, names what failed, shows undefined cases apart, and says the verdict."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from vlmplug.errors import GoldenSetError, OptionError
from vlmplug.verify.report import report_json, report_text, result_json, results_text
from vlmplug.verify.result import (
    CaseResult,
    Finding,
    Outcome,
    SetResult,
    VerifyReport,
    judged,
    refused,
    shown_apart,
)

PASSED = judged(CaseResult("prompts", "tiny", "one", "not run"), [Finding("ids")])
FAILED = judged(
    CaseResult("preprocess", "official", "two", "not run"),
    [Finding("grid", "expected (1, 2), got (2, 1)"), Finding("pixels", "", 3e-7, 1e-4), Finding("tokens")],
)
BROKEN = refused(CaseResult("prompts", "tiny", "three", "not run"), OptionError("No x.", "Use y."), undefined=False)
APART = shown_apart(CaseResult("prompts", "tiny", "UNDEFINED_four", "not run"), [Finding("ids", "at 3")])
REFUSED = refused(CaseResult("prompts", "tiny", "UNDEFINED_five", "not run"), OptionError("No z."), undefined=True)
FORWARD = judged(
    CaseResult("forward", "tiny", "six", "not run", mode="cached"),
    [Finding("logits", "", 5e-5, 1e-4), Finding("features", "", 1e-6, math.inf)],
)
NOT_RUN = CaseResult("forward", "tiny", "seven", "not run", (), "needs vlmplug[engine]", "alone")


def report(*results: CaseResult, notes: tuple[str, ...] = ()) -> VerifyReport:
    return VerifyReport("set A", "internvl2", results, notes)


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (PASSED, "passed"),
        (FAILED, "failed"),
        (BROKEN, "failed"),
        (APART, "differs"),
        (REFUSED, "refused"),
        (shown_apart(APART, [Finding("ids")]), "agrees"),
        (shown_apart(APART, []), "accepted"),
    ],
)
def test_outcomes(result: CaseResult, outcome: Outcome) -> None:
    assert result.outcome == outcome


@pytest.mark.parametrize(
    ("results", "passed"),
    [
        ((PASSED,), True),
        ((PASSED, APART, REFUSED, NOT_RUN), True),
        ((PASSED, FAILED), False),
        ((PASSED, BROKEN), False),
        ((NOT_RUN,), False),
        ((), False),
    ],
)
def test_what_counts(results: tuple[CaseResult, ...], passed: bool) -> None:
    assert report(*results).passed is passed


def test_the_text_of_a_report() -> None:
    text = report_text(report(PASSED, BROKEN, APART, REFUSED, FAILED, FORWARD, NOT_RUN, notes=(NOT_RUN.reason,)))
    assert text == (
        "section     checkpoint  mode    passed  failed  agrees  differs  accepted  refused  not run\n"
        "prompts     tiny                     1       1       0        1         0        1        0\n"
        "preprocess  official                 0       1       0        0         0        0        0\n"
        "forward     tiny        cached       1       0       0        0         0        0        0\n"
        "forward     tiny        alone        0       0       0        0         0        0        1\n"
        "\n"
        "largest difference  measured  limit     in\n"
        "pixels              3.00e-07  1.00e-04  official two\n"
        "logits              5.00e-05  1.00e-04  tiny six\n"
        "features            1.00e-06  none      tiny six\n"
        "\n"
        "FAILED prompts tiny three\n"
        "  OptionError: No x. Use y.\n"
        "FAILED preprocess official two\n"
        "  grid: expected (1, 2), got (2, 1)\n"
        "\n"
        "Undefined by the official code; shown, not counted:\n"
        " differs  prompts tiny UNDEFINED_four\n"
        "  ids: at 3\n"
        " refused  prompts tiny UNDEFINED_five\n"
        "  OptionError: No z.\n"
        "\n"
        "not run: needs vlmplug[engine]\n"
        "\n"
        "FAILED set A: 2 passed, 2 failed, 2 undefined, 1 not run"
    )


def test_failures_for_one_reason_are_told_once() -> None:
    text = report_text(report(BROKEN, BROKEN, BROKEN, FAILED))
    assert text.count("OptionError") == 1
    assert "FAILED prompts tiny three and 2 more" in text
    assert "FAILED preprocess official two\n" in text


def test_the_case_nearest_to_its_limit_is_shown() -> None:
    near = judged(CaseResult("prompts", "c", "near", "not run"), [Finding("pixels", "", 9e-3, 1e-2)])
    large = judged(CaseResult("prompts", "c", "large", "not run"), [Finding("pixels", "", 1e-2, 5e-2)])
    assert "c near" in report_text(report(large, near))
    assert "c large" not in report_text(report(near, large))


def test_json_is_plain_data() -> None:
    document = report_json(report(PASSED, FAILED, FORWARD, NOT_RUN, notes=("a note",)))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["set"], document["family"], document["passed"]) == ("set A", "internvl2", False)
    assert document["counts"] == {"passed": 2, "failed": 1, "not run": 1}
    assert document["cases"][1]["findings"][0] == {
        "check": "grid",
        "passed": False,
        "problem": "expected (1, 2), got (2, 1)",
        "measured": None,
        "limit": None,
    }
    assert document["cases"][2]["findings"][1]["limit"] is None
    assert [case["mode"] for case in document["cases"]] == [None, None, "cached", "alone"]


def test_one_set_has_no_summary() -> None:
    assert results_text([SetResult(Path("a"), report(PASSED))]) == report_text(report(PASSED))


def test_several_sets_have_a_line_each() -> None:
    wrong = SetResult(Path("b"), error=GoldenSetError("b is broken.", "Mend it."))
    first, last = report(PASSED, APART, FAILED), report(PASSED)
    text = results_text([SetResult(Path("a"), first), wrong, SetResult(Path("c"), last)])
    assert [line.split() for line in text.splitlines()[-5:]] == [
        ["set", "passed", "failed", "undefined", "not", "run", "verdict"],
        ["set", "A", "1", "1", "1", "0", "failed"],
        ["b", "0", "0", "0", "0", "error"],
        ["set", "A", "1", "0", "0", "0", "passed"],
        ["b:", "b", "is", "broken.", "Mend", "it."],
    ]
    assert text.startswith(report_text(first))


def test_a_set_as_data() -> None:
    whole = result_json(SetResult(Path("a"), report(PASSED), (Path("a.json"),)))
    assert (whole["passed"], whole["records"], whole["set"]) == (True, ["a.json"], "set A")
    wrong = SetResult(Path("b"), error=GoldenSetError("b is broken.", "Mend it."))
    assert result_json(wrong) == {"folder": "b", "passed": False, "error": "b is broken.", "fix": "Mend it."}
    assert not wrong.passed
