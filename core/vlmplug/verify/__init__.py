"""Comparing a family's plugin with reference data of format 1, made by the family's official code."""

from __future__ import annotations

from vlmplug.verify.goldens import GoldenSet
from vlmplug.verify.result import CaseResult, Finding, Outcome, Section, SetResult, VerifyReport
from vlmplug.verify.runner import Selection, VerifyOptions, verify
from vlmplug.verify.set_reader import read_golden_set

__all__ = [
    "CaseResult",
    "Finding",
    "GoldenSet",
    "Outcome",
    "Section",
    "Selection",
    "SetResult",
    "VerifyOptions",
    "VerifyReport",
    "read_golden_set",
    "verify",
]
