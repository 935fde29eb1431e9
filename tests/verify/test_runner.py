"""Which cases run, and what is said about those that do not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vlmplug.errors import GoldenSetError, OptionError, UnknownModelTypeError
from vlmplug.registry import Registry
from vlmplug.verify import CaseResult, GoldenSet, Selection, VerifyOptions, read_golden_set, verify


@pytest.fixture(scope="module")
def golden_set(golden: Path) -> GoldenSet:
    return read_golden_set(golden)


def run(golden_set: GoldenSet, **selection: Any) -> tuple[CaseResult, ...]:
    return verify(golden_set, VerifyOptions(Selection(**selection))).results


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"sections": ("video",)}, {"video": 12}),
        ({"sections": ("prompts",), "checkpoints": ("tiny_qwen2",)}, {"prompts": 32}),
        ({"sections": ("prompts",), "cases": ("one_image_tag",)}, {"prompts": 3}),
        ({"sections": ("prompts", "video"), "cases": ("one_image_tag", "frames_64f*")}, {"prompts": 3, "video": 1}),
        ({"sections": ("preprocess",), "cases": ("grid_1x?.max12", "exif_*")}, {"preprocess": 2}),
        ({"cases": ("frames_1?_*",), "checkpoints": ("official-internvl2",)}, {"video": 1}),
    ],
)
def test_selections(selection: dict[str, Any], expected: dict[str, int], golden_set: GoldenSet) -> None:
    assert Counter(result.section for result in run(golden_set, **selection)) == expected


def test_a_checkpoint_that_is_not_there(golden_set: GoldenSet) -> None:
    with pytest.raises(OptionError, match="no checkpoint 'tiny-6b'") as caught:
        run(golden_set, checkpoints=("tiny-6b",))
    assert "tiny_6b" in caught.value.remedy


def test_a_selection_that_fits_nothing(golden_set: GoldenSet) -> None:
    with pytest.raises(OptionError, match="No case of the set fits"):
        run(golden_set, cases=("nothing*",))


def test_a_set_of_a_family_that_nobody_offers_is_refused_at_once(golden_set: GoldenSet) -> None:
    watched: list[CaseResult] = []
    with pytest.raises(UnknownModelTypeError, match=r"internvl2 set A is about \(internvl2-2b, ") as caught:
        verify(golden_set, registry=Registry({}), watch=watched.append)
    assert "plugin of the family internvl2" in caught.value.remedy
    assert not watched


def test_a_set_that_names_another_family_than_its_model_types_have(golden_set: GoldenSet) -> None:
    with pytest.raises(GoldenSetError, match="about 'glm4v', but internvl2-2b, which its checkpoint tiny stands for"):
        verify(replace(golden_set, family="glm4v"))


@pytest.mark.parametrize("spelled", ["InternVL2", "internvl2"])
def test_the_spelling_of_a_family_is_free(spelled: str, golden_set: GoldenSet) -> None:
    report = verify(replace(golden_set, family=spelled), VerifyOptions(Selection(("video",))))
    assert report.passed


def test_results_are_watched_as_they_come(golden_set: GoldenSet) -> None:
    seen: list[CaseResult] = []
    report = verify(golden_set, VerifyOptions(Selection(sections=("video",))), watch=seen.append)
    assert tuple(seen) == report.results
    assert (report.set_name, report.family, report.passed) == ("internvl2 set A", "internvl2", True)
