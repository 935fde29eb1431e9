"""Every prompt of the reference set, its clips, and most of its pictures, as the official code made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from plugins.xcomposer2_5.tests.conftest import GOLDEN
from vlmplug.registry import load_registry
from vlmplug.verify.goldens import PreprocessCase, PromptCase, VideoCase
from vlmplug.verify.hook_cases import Models, run_preprocess, run_prompts, run_video
from vlmplug.verify.result import CaseResult
from vlmplug.verify.set_reader import read_golden_set

SET = read_golden_set(GOLDEN)
#: Pixels from which preparing a picture takes a second or two; `vlmplug verify` has them all.
LARGE = 4000 * 2000
PICTURES = [
    case
    for case in SET.preprocess
    if case.options.get("hd_num") in (6, 24) and case.picture.size[0] * case.picture.size[1] < LARGE
]


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    made = Models(SET, load_registry())
    yield made
    made.close()


def check(results: Iterable[CaseResult], undefined: bool) -> None:
    """What the official code leaves undefined is refused or accepted, or agrees where the set suggests something."""
    (result,) = results
    assert result.outcome in (("agrees", "accepted", "refused") if undefined else ("passed",)), result


def test_most_pictures_are_tried() -> None:
    assert len(PICTURES) > 40


@pytest.mark.parametrize("case", SET.prompts.values(), ids=lambda case: case.id)
def test_prompts(models: Models, case: PromptCase) -> None:
    check(run_prompts(models, [case]), case.undefined)


@pytest.mark.parametrize("case", PICTURES, ids=lambda case: case.id)
def test_pictures_at_the_official_size(models: Models, case: PreprocessCase) -> None:
    check(run_preprocess(models, [case]), case.undefined)


@pytest.mark.parametrize("case", [case for case in SET.video if case.video is not None], ids=lambda case: case.id)
def test_clips(models: Models, case: VideoCase) -> None:
    check(run_video(models, [case]), case.undefined)
