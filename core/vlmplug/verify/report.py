"""A verification report as text for a person and as one JSON document."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from vlmplug.table import format_table
from vlmplug.verify.result import OUTCOMES, SECTIONS, CaseResult, Finding, SetResult, VerifyReport

_COUNTED = ("passed", "failed")
_APART = ("agrees", "differs", "accepted", "refused")


def results_text(results: Sequence[SetResult]) -> str:
    """The reports; behind several, a table with one line a set."""
    reports = [report_text(result.report) for result in results if result.report is not None]
    return "\n\n".join([*reports, _summary(results)] if len(results) > 1 else reports)


def result_json(result: SetResult) -> dict[str, Any]:
    """As `report_json`, with the files of its records; folder, error and fix where it could not be verified."""
    if result.report is None:
        error, fix = (result.error.problem, result.error.remedy) if result.error else ("", "")
        return {"folder": str(result.folder), "passed": False, "error": error, "fix": fix or None}
    return {**report_json(result.report), "records": [str(file) for file in result.records]}


def report_text(report: VerifyReport) -> str:
    """Counts as a table, largest differences, what failed, undefined cases apart, notes, and the verdict."""
    blocks = (
        _counts(report.results),
        _largest(report.results),
        "\n".join(_failures(report.results)),
        "\n".join(_undefined(report.results)),
        "\n".join(f"not run: {note}" for note in report.notes),
        _verdict(report),
    )
    return "\n\n".join(block for block in blocks if block)


def report_json(report: VerifyReport) -> dict[str, Any]:
    """The same as data: ``set``, ``family``, ``passed``, ``counts``, ``notes`` and one entry a case."""
    return {
        "set": report.set_name,
        "family": report.family,
        "passed": report.passed,
        "counts": dict(Counter(result.outcome for result in report.results)),
        "notes": list(report.notes),
        "cases": [_case_json(result) for result in report.results],
    }


def _summary(results: Iterable[SetResult]) -> str:
    rows, wrong = [], []
    for result in results:
        counts = Counter[str](case.outcome for case in result.report.results) if result.report else Counter[str]()
        apart = sum(counts[outcome] for outcome in _APART)
        name = result.report.set_name if result.report else str(result.folder)
        verdict = "passed" if result.passed else "failed" if result.report else "error"
        rows.append((name, counts["passed"], counts["failed"], apart, counts["not run"], verdict))
        if result.error is not None:
            wrong.append(f"{name}: {result.error}")
    return "\n".join((format_table(("set", "passed", "failed", "undefined", "not run", "verdict"), rows), *wrong))


def _case_json(result: CaseResult) -> dict[str, Any]:
    return {
        "section": result.section,
        "checkpoint": result.checkpoint,
        "case": result.case,
        "mode": result.mode or None,
        "outcome": result.outcome,
        "reason": result.reason or None,
        "findings": [_finding_json(finding) for finding in result.findings],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "passed": finding.passed,
        "problem": finding.problem or None,
        "measured": _finite(finding.measured),
        "limit": _finite(finding.limit),
    }


def _finite(number: float | None) -> float | None:
    # JSON knows no infinity and no NaN.
    return number if number is not None and math.isfinite(number) else None


def _counts(results: Iterable[CaseResult]) -> str:
    counted: dict[tuple[int, str, str], Counter[str]] = {}
    for result in results:
        key = (SECTIONS.index(result.section), result.checkpoint, result.mode)
        counted.setdefault(key, Counter())[result.outcome] += 1
    rows = [
        (SECTIONS[section], checkpoint, mode, *(count[outcome] for outcome in OUTCOMES))
        for (section, checkpoint, mode), count in sorted(counted.items(), key=lambda item: item[0][0])
    ]
    return format_table(("section", "checkpoint", "mode", *OUTCOMES), rows)


def _largest(results: Iterable[CaseResult]) -> str:
    """The largest difference of each kind of number, over all cases that count."""
    worst: dict[str, tuple[Finding, CaseResult]] = {}
    for result in results:
        for finding in result.findings if result.outcome in _COUNTED else ():
            if finding.measured is not None and _worse(finding, worst):
                worst[finding.check] = (finding, result)
    rows = [
        (check, f"{finding.measured:.2e}", _limit(finding), f"{result.checkpoint} {result.case}")
        for check, (finding, result) in worst.items()
    ]
    return format_table(("largest difference", "measured", "limit", "in"), rows) if rows else ""


def _worse(finding: Finding, worst: dict[str, tuple[Finding, CaseResult]]) -> bool:
    """Whether it comes nearer to its limit than what was found before."""
    return finding.check not in worst or _share(finding) > _share(worst[finding.check][0])


def _share(finding: Finding) -> float:
    measured = finding.measured or 0.0
    return measured / finding.limit if finding.limit and math.isfinite(finding.limit) else measured


def _limit(finding: Finding) -> str:
    return f"{finding.limit:.2e}" if finding.limit is not None and math.isfinite(finding.limit) else "none"


def _failures(results: Iterable[CaseResult]) -> Iterator[str]:
    """Every failed case; those that failed as a whole, for the same reason, together."""
    failed = [result for result in results if result.outcome == "failed"]
    for reason, group in groupby(failed, key=lambda result: result.reason):
        same = list(group)
        for result in same if not reason else same[:1]:
            yield f"FAILED {_name(result)}" + (f" and {len(same) - 1} more" if reason and same[1:] else "")
            yield from _details(result)


def _undefined(results: Iterable[CaseResult]) -> Iterator[str]:
    apart = [result for result in results if result.outcome in _APART]
    if apart:
        yield "Undefined by the official code; shown, not counted:"
    for result in apart:
        yield f"{result.outcome:>8}  {_name(result)}"
        yield from _details(result)


def _details(result: CaseResult) -> Iterator[str]:
    if result.reason:
        yield f"  {result.reason}"
    yield from (f"  {finding.check}: {finding.problem}" for finding in result.findings if not finding.passed)


def _name(result: CaseResult) -> str:
    mode = f" ({result.mode})" if result.mode else ""
    return f"{result.section} {result.checkpoint} {result.case}{mode}"


def _verdict(report: VerifyReport) -> str:
    counts = Counter(result.outcome for result in report.results)
    apart = sum(result.outcome in _APART for result in report.results)
    verdict = "PASSED" if report.passed else "FAILED"
    return (
        f"{verdict} {report.set_name}: {counts['passed']} passed, {counts['failed']} failed,"
        f" {apart} undefined, {counts['not run']} not run"
    )
