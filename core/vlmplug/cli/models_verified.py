"""``models list --verified``: families and their model types by checks, as in docs/verification.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlmplug.cli.output import print_table
from vlmplug.table import Painted
from vlmplug.verification import CHECKS, Outcome, State
from vlmplug.verification_matrix import SYMBOLS, VerificationMatrix

if TYPE_CHECKING:
    from vlmplug.model_type import ModelType

#: How each state is painted.
STATE_STYLES: Mapping[State, str] = {"verified": "good", "failed": "bad", "outdated": "doubtful", "not run": "dim"}


def print_matrix(arguments: argparse.Namespace, matrix: VerificationMatrix, types: Sequence[ModelType]) -> None:
    """A table of the families of ``types``, and one of themselves."""
    titles = [check.upper() for check in CHECKS]
    families = dict.fromkeys(entry.family for entry in types)
    rows = [[Painted(name, "name"), *_cells(matrix.family_states(name))] for name in families]
    print_table(arguments, ["FAMILY", *titles], rows)
    print()
    print_table(arguments, ["MODEL TYPE", "AS", *titles], [_row(matrix, entry) for entry in types], spare=("AS",))


def outcome_records(outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """What is known about each check, in JSON."""
    return [_outcome_record(check, outcome) for check, outcome in outcomes.items()]


def _outcome_record(check: str, outcome: Outcome) -> dict[str, Any]:
    told = outcome.document()
    del told["versions"]
    return {"check": check, **told}


def _row(matrix: VerificationMatrix, entry: ModelType) -> list[object]:
    cells = _cells(matrix.type_states(entry))
    return [Painted(entry.name, "name"), ", ".join(matrix.verified_by(entry)), *cells]


def _cells(states: Iterable[State]) -> list[Painted]:
    words = SYMBOLS if _can_show("".join(SYMBOLS.values())) else {state: state for state in SYMBOLS}
    return [Painted(words[state], STATE_STYLES[state]) for state in states]


def _can_show(text: str) -> bool:
    """Whether the standard output has these characters; a pipe on Windows seldom does."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
