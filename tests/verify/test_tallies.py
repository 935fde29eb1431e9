"""Results of cases become counts of checks; only what was compared counts."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vlmplug.errors import OptionError
from vlmplug.run_record import Tally
from vlmplug.verify import CaseResult, Finding, GoldenSet, read_golden_set
from vlmplug.verify.official import matching_checkpoint
from vlmplug.verify.result import judged, refused, shown_apart
from vlmplug.verify.tallies import by_mode, engine_tallies, hook_tallies

WRONG = Finding("ids", "first difference at 3")


@pytest.fixture(scope="module")
def golden_set(golden: Path) -> GoldenSet:
    return read_golden_set(golden)


def case(section: Any, checkpoint: str, mode: str = "") -> CaseResult:
    return CaseResult(section, checkpoint, "one", "not run", mode=mode)


def test_hooks_and_modes_are_apart_and_variants_nowhere() -> None:
    results = [
        case("prompts", "tiny"),
        case("forward", "tiny"),
        case("forward", "tiny", "alone"),
        case("video", "official-internvl2"),
        case("forward", "tiny", "cached"),
    ]
    assert by_mode(results) == {
        "hooks": [results[0], results[3]],
        "alone": [results[2]],
        "cached": [results[4]],
    }


def test_hooks(golden_set: GoldenSet) -> None:
    prompts, pictures, clips = case("prompts", "tiny_6b"), case("preprocess", "official-x"), case("video", "official-x")
    results = [
        judged(prompts, [Finding("ids")]),
        judged(prompts, [WRONG]),
        shown_apart(prompts, [Finding("ids")]),
        shown_apart(prompts, [WRONG]),
        refused(prompts, OptionError("No."), undefined=True),
        judged(pictures, [Finding("grid")]),
        judged(clips, [Finding("frames")]),
        clips,
    ]
    assert list(hook_tallies(golden_set, results)) == [
        Tally("tiny_6b", "internvl2-26b", "prompt", 1, 1, undefined=3),
        Tally("official-x", None, "preprocessing", 1),
        Tally("", None, "preprocessing", 1, not_run=1),
    ]


def test_an_official_size_of_one_checkpoint(golden_set: GoldenSet) -> None:
    (tally,) = hook_tallies(golden_set, [judged(case("preprocess", "official-internvl2-6b"), [Finding("grid")])])
    assert (tally.checkpoint, tally.stands_for) == ("official-internvl2-6b", "internvl2-26b")
    assert matching_checkpoint(golden_set, "official-internvl2") is None


LOGITS, FEATURES = Finding("logits", "", 1e-6, 1e-4), Finding("features", "", 1e-6, 1e-4)


@pytest.mark.parametrize(
    ("findings", "engine", "features"),
    [
        ([FEATURES, LOGITS, Finding("greedy")], (1, 0), (1, 0)),
        ([LOGITS, Finding("greedy")], (1, 0), None),
        ([FEATURES, FEATURES, LOGITS, replace(WRONG, check="greedy")], (0, 1), (1, 0)),
        ([FEATURES, Finding("features", "differs", 0.1, 1e-4), LOGITS], (1, 0), (0, 1)),
        ([LOGITS, Finding("reused", "nothing came out of the cache")], (0, 1), None),
    ],
    ids=["all well", "a text", "other tokens", "other features", "no reuse"],
)
def test_tower_and_engine_are_apart(
    findings: list[Finding], engine: tuple[int, int], features: tuple[int, int] | None, golden_set: GoldenSet
) -> None:
    tallies = engine_tallies(golden_set, [judged(case("forward", "tiny", "alone"), findings)], parallel=False)
    expected = [Tally("tiny", "internvl2-2b", "generation", *engine)]
    if features is not None:
        expected.append(Tally("tiny", "internvl2-2b", "features", *features))
    assert list(tallies) == expected


def test_what_has_no_limit_shows_nothing_by_passing(golden_set: GoldenSet) -> None:
    """In half precision: a case counts where its tokens could be compared, and where numbers are not finite."""
    features, logits = Finding("features", "", 0.5, math.inf), Finding("logits", "", 0.5, math.inf)
    broken = Finding("features", "3 values are not finite", math.inf, math.inf)
    forward = case("forward", "tiny", "alone")
    results = [
        judged(forward, [features, logits]),
        judged(forward, [features, logits, Finding("greedy")]),
        judged(forward, [broken, logits]),
    ]
    assert list(engine_tallies(golden_set, results, parallel=False)) == [
        Tally("tiny", "internvl2-2b", "generation", 1),
        Tally("tiny", "internvl2-2b", "features", 0, 1),
    ]


@pytest.mark.parametrize(
    ("mode", "parallel", "check"),
    [
        ("alone", False, "generation"),
        ("batched", False, "batch"),
        ("chunked", False, "chunk"),
        ("cached", False, "cache"),
        ("alone", True, "tp"),
        ("cached", True, "tp"),
    ],
)
def test_the_check_of_a_mode(mode: str, parallel: bool, check: str, golden_set: GoldenSet) -> None:
    (tally,) = engine_tallies(golden_set, [judged(case("forward", "tiny", mode), [LOGITS])], parallel)
    assert tally.check == check


def test_a_case_that_failed_as_a_whole_failed_in_both(golden_set: GoldenSet) -> None:
    """Nobody knows what its features would have been."""
    failed = refused(case("forward", "tiny", "alone"), OptionError("No."), undefined=False)
    assert list(engine_tallies(golden_set, [failed], parallel=False)) == [
        Tally("tiny", "internvl2-2b", "generation", 0, 1),
        Tally("tiny", "internvl2-2b", "features", 0, 1),
    ]


def test_what_could_not_run_is_no_failure(golden_set: GoldenSet) -> None:
    assert list(engine_tallies(golden_set, [case("forward", "tiny", "alone")], parallel=False)) == [
        Tally("tiny", "internvl2-2b", "generation", 0, not_run=1)
    ]
