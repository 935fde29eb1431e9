"""What a verification found: findings, grouped by case, grouped by section."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from vlmplug.errors import VlmplugError

Section = Literal["prompts", "preprocess", "video", "forward"]
#: ``passed`` and ``failed`` count. Cases that the official code leaves undefined never do: they agree with what
#: the set suggests or differ from it, are accepted where it suggests nothing, or are refused with an error.
#: ``not run``: it could not be tried here, or is not part of the standard.
Outcome = Literal["passed", "failed", "agrees", "differs", "accepted", "refused", "not run"]

SECTIONS: tuple[Section, ...] = get_args(Section)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Finding:
    """One comparison.

    - ``check``: prompt, ids, spans, positions, grid, tiles, tokens, sizes, pixels, frames, features, logits, greedy.
    - ``problem``: what differs and where; empty: nothing does.
    - ``measured``, ``limit``: largest difference and what is allowed, where numbers are compared.
    """

    check: str
    problem: str = ""
    measured: float | None = None
    limit: float | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return not self.problem


@dataclass(frozen=True)
class CaseResult:
    """One case of one section.

    - ``mode``: how the engine ran (forward only). ``reason``: why it was refused, failed as a whole, or not run.
    """

    section: Section
    checkpoint: str
    case: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    mode: str = ""


@dataclass(frozen=True)
class VerifyReport:
    """All results for one set; ``notes`` are for the reader."""

    set_name: str
    family: str
    results: tuple[CaseResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether something ran, and nothing that counts failed."""
        outcomes = {result.outcome for result in self.results}
        return "failed" not in outcomes and bool(outcomes - {"not run"})


@dataclass(frozen=True)
class SetResult:
    """What came of one set: a report, or the error that kept it from being verified; ``records``: files written."""

    folder: Path
    report: VerifyReport | None = None
    records: tuple[Path, ...] = ()
    error: VlmplugError | None = None

    @property
    def passed(self) -> bool:
        """Whether it could be verified, and passed."""
        return self.report is not None and self.report.passed


def judged(result: CaseResult, findings: Iterable[Finding]) -> CaseResult:
    """The result with findings and the outcome that follows from them, for a case that counts."""
    found = tuple(findings)
    outcome: Outcome = "passed" if all(finding.passed for finding in found) else "failed"
    return _finished(result, outcome, found)


def shown_apart(result: CaseResult, findings: Iterable[Finding]) -> CaseResult:
    """The same for an undefined case, which never counts."""
    found = tuple(findings)
    agrees: Outcome = "agrees" if found else "accepted"
    outcome: Outcome = agrees if all(finding.passed for finding in found) else "differs"
    return _finished(result, outcome, found)


def refused(result: CaseResult, error: VlmplugError, undefined: bool) -> CaseResult:
    """The result of a case that ended in one of our own errors."""
    outcome: Outcome = "refused" if undefined else "failed"
    return _finished(result, outcome, (), f"{type(error).__name__}: {error}")


def _finished(result: CaseResult, outcome: Outcome, findings: tuple[Finding, ...], reason: str = "") -> CaseResult:
    return CaseResult(result.section, result.checkpoint, result.case, outcome, findings, reason, result.mode)
