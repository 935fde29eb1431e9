"""Runs every reference set of the tree, records what came of it, and writes the tables of docs/verification.md.

    python .ci/record.py           # run and record, then write the page
    python .ci/record.py --page    # write the page from the records that are there
    python .ci/record.py --check   # only say whether the page is what the records say

tests/golden holds a part of each set; where the complete ones lie beside the checkout, those are run. What needs a GPU
is recorded on one with `vlmplug verify --device cuda --record` and `benchmarks/true_shape.py --record`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.model_type import ModelType
from vlmplug.registry import Registry, load_registry
from vlmplug.run_record import RunRecord
from vlmplug.verification import CHECKS, State, Verification
from vlmplug.verification_matrix import SYMBOLS, VerificationMatrix

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "verification.md"
PARTS, COMPLETE = ROOT / "tests" / "golden", ROOT.parent / "shared" / "golden"
BEGIN, END = "<!-- made by .ci/record.py -->", "<!-- end -->"
MODES = ("--alone", "--batched", "--chunked", "--cached")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--page", action="store_true", help="only write the page")
    what.add_argument("--check", action="store_true", help="only say whether the page is current")
    arguments = parser.parse_args()
    code = 0 if arguments.page or arguments.check else recorded()
    page, written = PAGE.read_text(encoding="utf-8"), current_page()
    if arguments.check:
        print("current" if page == written else f"{PAGE.name} is not what the records say; run: make record")
        return int(page != written)
    PAGE.write_text(written, encoding="utf-8")
    return code


def recorded() -> int:
    """Runs all sets in all modes of the engine, and on two ranks; the exit code. A failure is recorded as well."""
    sets = [str(folder) for folder in golden_sets()]
    return max(run(*sets, *MODES, "--record"), run(*sets, "--only", "forward", "--tp", "2", "--record"))


def run(*arguments: str) -> int:
    """The exit code of one ``vlmplug verify``."""
    return subprocess.run((sys.executable, "-m", "vlmplug", "verify", *arguments), cwd=ROOT, check=False).returncode


def golden_sets() -> list[Path]:
    """The set of each family, the complete one where there is one."""
    parts = sorted(folder for folder in PARTS.iterdir() if folder.is_dir())
    return [COMPLETE / part.name if (COMPLETE / part.name).is_dir() else part for part in parts]


def current_page() -> str:
    """The page, with its tables made anew."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    registry = load_registry(RegistrySources(built_in_file()))
    return f"{before}{BEGIN}\n\n{tables(registry)}\n\n{END}{after}"


def tables(registry: Registry) -> str:
    """Families, model types of each family, and the runs behind them."""
    matrix = VerificationMatrix(registry)
    return "\n\n".join(
        [
            family_table(registry, matrix),
            *(type_table(registry, matrix, family) for family in registry.families),
            *run_tables(matrix.plugins),
        ]
    )


def family_table(registry: Registry, matrix: VerificationMatrix) -> str:
    rows = [[f"`{name}`", *symbols(matrix.family_states(name))] for name in registry.families]
    return "## Families\n\n" + table(["family", *CHECKS], rows)


def type_table(registry: Registry, matrix: VerificationMatrix, family: str) -> str:
    rows = [type_row(matrix, entry) for entry in registry.model_types.values() if entry.family == family]
    return f"## Model types of {family}\n\n" + table(["model type", "as", *CHECKS], rows)


def type_row(matrix: VerificationMatrix, entry: ModelType) -> list[str]:
    """A model type, whose checkpoint it is verified by, and a cell for each check."""
    by = ", ".join(f"`{name}`" for name in matrix.verified_by(entry))
    return [f"`{entry.name}`", by, *symbols(matrix.type_states(entry))]


def symbols(states: Iterable[State]) -> list[str]:
    return [SYMBOLS[state] for state in states]


def run_tables(known: Mapping[str, Verification]) -> Iterator[str]:
    header = ["run", "cases passed", "failed", "undefined", "on", "date", "with"]
    rows = [run_row(run.record, run.changed) for verification in known.values() for run in verification.runs]
    yield "## Runs\n\n" + table(header, rows)
    problems = [problem for verification in known.values() for problem in verification.problems]
    if problems:
        yield "Records that do not count:\n\n" + "\n".join(f"- {problem}" for problem in problems)


def run_row(record: RunRecord, changed: str) -> list[str]:
    tallies, run = record.tallies, record.run
    counts = [sum(getattr(tally, name) for tally in tallies) for name in ("passed", "failed", "undefined")]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))
    place = run.machine if record.mode == "hooks" else f"{run.machine}, {run.dtype}"
    devices = f" x {run.tp}" if run.tp > 1 else ""
    outdated = f" (outdated: {changed})" if changed else ""
    return [f"{record.subject}, {record.mode}{outdated}", *map(str, counts), place + devices, run.date, versions]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
