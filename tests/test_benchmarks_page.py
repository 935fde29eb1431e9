"""The tables of benchmarks/README.md show what the results files hold; a row that is missing is shown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
PAGE = (FOLDER / "README.md").read_text("utf-8")


def results(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / "results" / name).read_text("utf-8"))
    return content


def comparisons() -> Iterator[tuple[str, str]]:
    """Workloads, and the ends of their rows."""
    for file in sorted((FOLDER / "results").glob("against-lmdeploy-*.json")):
        for name, found in results(file.name).items():
            if isinstance(found, dict) and "ratio" in found:
                yield f"{file.stem} {name}", comparison(found)


def comparison(found: dict[str, Any]) -> str:
    rate = "tokens_per_second" in found["ours"][0]
    key, form = ("tokens_per_second", "{:,.0f} tokens/s") if rate else ("seconds", "{:.3f} s")
    ours, theirs = (statistics.median(one[key] for one in found[side]) for side in ("ours", "theirs"))
    return f" | {form.format(ours)} | {form.format(theirs)} | {found['ratio']:.2f} |"


def true_shapes() -> Iterator[tuple[str, str]]:
    """Families in their true shape beside their language model in plain lmdeploy."""
    for file in sorted((FOLDER / "results").glob("true-shape-*.json")):
        found = results(file.name)
        start = f"| `{found['model_type']}` | {found['load_seconds']:.0f} s | {found['weights_gib']:.1f} GiB | "
        rates = " | ".join(f"{found[name]['decode_tokens_per_second']:.0f}" for name in ("text", "picture_720p"))
        many = " | ".join(f"{found[name]['tokens_per_second']:,.0f}" for name in ("texts_at_once", "pictures_at_once"))
        pictures = f"{found['pictures_at_once']['answered']} of {found['pictures_at_once']['requests']}"
        ratios = " | ".join(f"{found['against_text_model'][name]['ratio']:.2f}" for name in ("text", "texts"))
        first = f"{found['picture_720p']['first_token_seconds']:.3f} s"
        yield file.stem, f"{start}{rates} | {first} | {many} | {pictures} | {ratios} |"


def family_ranks() -> Iterator[tuple[str, str]]:
    """A few layers of each family on two GPUs."""
    for file in sorted((FOLDER / "results" / "ranks").glob("*.json")):
        found = json.loads(file.read_text("utf-8"))
        row = found["ranks"]["2"]
        differing = f"{row['argmax_differs']} of {row['positions']}"
        beyond = f"{row['argmax_differs_beyond_margin'] or 'none'} beyond the margin"
        yield (
            file.stem,
            (
                f"| `{found['model_type']}` | {found['dtype']} | {found['cut']['layers']} | "
                f"{row['largest_relative_difference']:.1e} (allowed: {row['tolerance']:.0e}) | {differing}, {beyond} |"
            ),
        )


def ranks() -> Iterator[tuple[str, str]]:
    for count, found in results("ranks-internvl2-2b-h200x2.json")["ranks"].items():
        start = f"| {count} | {found['load_seconds']:.0f} s | {found['tokens_per_second']:.0f} tokens/s | "
        largest, allowed = found["largest_relative_difference"], found["tolerance"]
        differing = f"{found['argmax_differs']} of {found['positions']}"
        beyond = f"{found['argmax_differs_beyond_margin'] or 'none'} beyond the margin"
        shown = f"{largest:.1%} of the largest logit (allowed: {allowed:.0%}) | {differing}, {beyond} |"
        yield count, start + ("| |" if largest == 0 else shown.replace("%", " %"))


def processors() -> Iterator[tuple[str, str]]:
    found = results("cpu.json")
    for model in ("internvl2-tiny", "100M"):
        for work, one in found[model].items():
            if isinstance(one, dict):
                rates = " | ".join(f"{one[side]:,.0f} tokens/s" for side in ("ours", "theirs"))
                yield f"{model} {work}", f" | {rates} | {one['ratio']:.2f} | {one['work_ratio']:.2f} | "


def lines(rows: Iterator[tuple[str, str]]) -> list[Any]:
    return [pytest.param(line, id=name) for name, line in rows]


ROWS = (comparisons(), true_shapes(), ranks(), family_ranks(), processors())


@pytest.mark.parametrize("line", [line for rows in ROWS for line in lines(rows)])
def test_a_row_shows_the_results(line: str) -> None:
    assert any(line in row for row in PAGE.splitlines()), line


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.name)
def test_every_program_is_described(file: Path) -> None:
    if "argparse" in file.read_text("utf-8"):
        assert f"| `{file.name}` |" in PAGE


@pytest.mark.parametrize("file", sorted((FOLDER / "results").iterdir()), ids=lambda file: file.name)
def test_every_results_file_is_named(file: Path) -> None:
    assert f"`results/{file.name}`" in PAGE
