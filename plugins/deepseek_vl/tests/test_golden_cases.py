"""Every prompt and picture of the reference set, as the official code made them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from plugins.deepseek_vl.tests.conftest import load_checkpoint
from tests.reference import prepared
from vlmplug.model import FamilyModel
from vlmplug.verify.golden_request import prompt_request
from vlmplug.verify.goldens import PreprocessCase, PromptCase
from vlmplug.verify.pictures import make_picture
from vlmplug.verify.set_reader import read_golden_set
from vlmplug_deepseek_vl import hooks
from vlmplug_deepseek_vl.preprocessing import Canvas, fitted_size, prepare

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "deepseek_vl"
SET = read_golden_set(GOLDEN)
CASES = list(SET.prompts.values())
#: Values in the set have six decimals; those of a picture read from a JPEG depend on its decoder.
PIXEL_ABS, DECODED_ABS = 1e-6, 1.001 / 255


@cache
def loaded(checkpoint: str) -> FamilyModel:
    return load_checkpoint(GOLDEN / checkpoint)


def test_the_set_is_complete() -> None:
    assert (len(CASES), sum(case.undefined for case in CASES)) == (44, 4)
    assert (len(SET.preprocess), len(SET.video)) == (64, 0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.checkpoint}-{case.id}")
def test_prompt_ids_and_spans(case: PromptCase) -> None:
    model = loaded(case.checkpoint)
    prompt, found = prepared(hooks, model, prompt_request(SET, case))
    assert prompt.text(SET.image_tag) == case.expect.prompt
    assert found.input_ids == case.expect.input_ids
    assert found.input_ids.count(model.tokenizer.bos_ids[0]) == 1 + (case.id == "special_eos_literal")
    assert [(span.start, span.length) for span in found.spans] == [
        (span.start, span.length) for span in case.expect.media
    ]


@pytest.mark.parametrize("case", SET.preprocess, ids=lambda case: case.id)
def test_pictures_at_the_official_sizes(case: PreprocessCase) -> None:
    canvas = loaded("tiny_1_3b" if case.id.endswith("1_3b") else "tiny_7b").settings.canvas
    image, expect = make_picture(case.picture, GOLDEN), case.expect
    pixels = prepare(image, canvas)
    assert (pixels.shape[2], pixels.shape[1]) == expect.sizes[0]
    assert expect.pixels is not None
    where, values = zip(*expect.pixels.samples, strict=True)
    found = pixels[0].transpose(2, 0, 1).astype(np.float64) / 255
    tolerance = DECODED_ABS if case.id.startswith("exif") else PIXEL_ABS
    assert np.abs(found.reshape(-1)[list(where)] - values).max() <= tolerance
    assert abs(found.mean() - expect.pixels.mean[0]) <= tolerance
    assert abs(found.std() - expect.pixels.std[0]) <= tolerance


#: Sizes in which cutting off and rounding differ, from the official code.
@pytest.mark.parametrize(
    ("size", "at_384", "at_1024"),
    [
        ((384, 384), (384, 384), (1024, 1024)),
        ((3000, 200), (384, 25), (1024, 68)),
        ((1000, 333), (384, 127), (1024, 340)),
        ((1023, 511), (384, 191), (1024, 511)),
        ((10, 2000), (14, 384), (14, 1024)),
    ],
)
def test_sizes_are_cut_off_not_rounded(
    size: tuple[int, int], at_384: tuple[int, int], at_1024: tuple[int, int]
) -> None:
    grey = (0, 0, 0)
    assert fitted_size(size, Canvas(384, 14, grey)) == at_384
    assert fitted_size(size, Canvas(1024, 14, grey)) == at_1024
