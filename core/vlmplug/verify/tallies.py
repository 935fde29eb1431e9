"""Counts the results of a verification by check, as records keep them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

from vlmplug.run_record import Mode, Tally
from vlmplug.verify.goldens import GoldenSet
from vlmplug.verify.official import matching_checkpoint
from vlmplug.verify.result import CaseResult, Finding, Section

_CHECKS: Mapping[str, str] = {"alone": "generation", "batched": "batch", "chunked": "chunk", "cached": "cache"}
_FEATURES = "features"


def by_mode(results: Iterable[CaseResult]) -> dict[Mode, list[CaseResult]]:
    """The results of the hooks, and those of each mode of the engine; variants, which never run, are left out."""
    found: dict[Mode, list[CaseResult]] = {}
    for result in results:
        if result.section != "forward" or result.mode:
            found.setdefault(cast(Mode, result.mode or "hooks"), []).append(result)
    return found


def hook_tallies(golden: GoldenSet, results: Iterable[CaseResult]) -> Iterator[Tally]:
    """Prompts by checkpoint; pictures by official size; clips, which the set has for all together."""
    for (section, name), own in _grouped(results).items():
        counts = Counter[str](result.outcome for result in own)
        if section == "prompts":
            yield _tally(name, golden.checkpoints[name].stands_for, "prompt", counts)
        elif section == "preprocess":
            checkpoint = matching_checkpoint(golden, name)
            yield _tally(name, checkpoint.stands_for if checkpoint else None, "preprocessing", counts)
        else:
            yield _tally("", None, "preprocessing", counts)


def engine_tallies(golden: GoldenSet, results: Iterable[CaseResult], parallel: bool) -> Iterator[Tally]:
    """Features, where they were compared, and what the engine made of the prompts, by checkpoint.

    :param parallel: several devices shared the language model, which is a check of its own.
    """
    for (_, name), own in _grouped(results).items():
        stands_for = golden.checkpoints[name].stands_for
        yield _tally(name, stands_for, "tp" if parallel else _CHECKS[own[0].mode], _counts(own, _is_of_engine))
        features = _counts(own, _is_of_tower)
        if features["passed"] or features["failed"]:
            yield _tally(name, stands_for, _FEATURES, features)


def _is_of_tower(finding: Finding) -> bool:
    return finding.check == _FEATURES


def _is_of_engine(finding: Finding) -> bool:
    return finding.check != _FEATURES


def _grouped(results: Iterable[CaseResult]) -> dict[tuple[Section, str], list[CaseResult]]:
    found: dict[tuple[Section, str], list[CaseResult]] = {}
    for result in results:
        found.setdefault((result.section, result.checkpoint), []).append(result)
    return found


def _counts(results: Iterable[CaseResult], wanted: Callable[[Finding], bool]) -> Counter[str]:
    """Outcomes of cases as far as the wanted findings go."""
    return Counter(outcome for result in results if (outcome := _outcome(result, wanted)))


def _outcome(result: CaseResult, wanted: Callable[[Finding], bool]) -> str:
    """Empty: nothing wanted was compared. A case that failed before anything was compared failed wholly."""
    if result.outcome not in ("passed", "failed") or (result.outcome == "failed" and result.reason):
        return result.outcome
    found = [finding for finding in result.findings if wanted(finding) and _is_evidence(finding)]
    return ("passed" if all(finding.passed for finding in found) else "failed") if found else ""


def _is_evidence(finding: Finding) -> bool:
    """A number that is measured without a limit, as in half precision, shows nothing by passing."""
    return not finding.passed or finding.limit is None or math.isfinite(finding.limit)


def _tally(checkpoint: str, stands_for: str | None, check: str, counts: Counter[str]) -> Tally:
    undefined = sum(count for outcome, count in counts.items() if outcome not in ("passed", "failed", "not run"))
    return Tally(checkpoint, stands_for, check, counts["passed"], counts["failed"], undefined, counts["not run"])
