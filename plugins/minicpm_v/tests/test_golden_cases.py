"""Every prompt, picture and clip of the reference set, as the official code made them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from plugins.minicpm_v.tests.conftest import load_checkpoint
from tests.reference import prepared
from vlmplug.conversation import ImagePart, VideoPart
from vlmplug.verify.golden_request import media_request, prompt_request
from vlmplug.verify.goldens import PreprocessCase, PromptCase, VideoCase
from vlmplug.verify.pictures import blank_clip, make_picture
from vlmplug.verify.set_reader import read_golden_set
from vlmplug_minicpm_v import hooks

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "minicpm_v"
SET = read_golden_set(GOLDEN)
PROMPTS = list(SET.prompts.values())
#: Pixels of the set have six decimals.
PIXEL_ABS = 1e-6

model_of = cache(load_checkpoint)


def test_the_set_is_complete() -> None:
    assert (len(PROMPTS), sum(case.undefined for case in PROMPTS)) == (50, 6)
    assert (len(SET.preprocess), len(SET.video)) == (102, 17)


@pytest.mark.parametrize(
    "case",
    [case for case in PROMPTS if not case.undefined],
    ids=lambda case: f"{case.checkpoint}-{case.id}",
)
def test_prompt_ids_and_spans(case: PromptCase) -> None:
    model = model_of(case.checkpoint)
    prompt, found = prepared(hooks, model, prompt_request(SET, case))
    assert prompt.text(SET.image_tag) == case.expect.prompt
    assert found.input_ids == case.expect.input_ids
    assert [(span.start, span.length) for span in found.spans] == [
        (span.start, span.length) for span in case.expect.media
    ]
    assert [case.media_ids[prompt.items[span.item].part] for span in found.spans] == [
        span.id for span in case.expect.media
    ]


@pytest.mark.parametrize("case", [case for case in PROMPTS if "literal" in case.id and case.undefined], ids=str)
def test_tags_that_a_user_types_are_text_where_the_official_code_fails(case: PromptCase) -> None:
    model = model_of(case.checkpoint)
    prompt, found = prepared(hooks, model, prompt_request(SET, case))
    assert prompt.text(SET.image_tag) == case.expect.prompt
    assert len(found.media) == len(case.media_ids)
    tag = model.tokenizer.special_id("<image>")
    assert found.input_ids.count(tag) == len(found.media)


@pytest.mark.parametrize("case", SET.preprocess, ids=lambda case: case.id)
def test_pictures_at_the_official_size(case: PreprocessCase) -> None:
    model = model_of("tiny_2_5" if case.checkpoint.endswith("2_5") else "tiny_2_6")
    _, found = prepared(hooks, model, media_request(ImagePart(make_picture(case.picture, GOLDEN)), case.options))
    (media,) = found.media
    assert (media.grid, media.tiles, media.tokens) == (case.expect.grid, case.expect.tiles, case.expect.tokens)
    assert media.sizes == case.expect.sizes
    expect, tiles = case.expect.pixels, list(media.normalised_tiles())
    assert expect is not None
    assert tuple(tile.shape for tile in tiles) == expect.shapes
    assert np.allclose([tile.mean(dtype=np.float64) for tile in tiles], expect.mean, rtol=0, atol=PIXEL_ABS)
    where, values = zip(*expect.samples, strict=True)
    flat = np.concatenate([tile.ravel() for tile in tiles])
    assert np.abs(flat[list(where)] - values).max() <= PIXEL_ABS


@pytest.mark.parametrize("case", SET.video, ids=lambda case: case.id)
def test_frames_of_clips(case: VideoCase) -> None:
    clip = VideoPart(blank_clip(case.frame_count, case.fps, case.id))
    request = media_request(clip, {})
    prompt = hooks.render_prompt(model_of("tiny_2_6"), request.conversation, request.options)
    assert [item.frame for item in prompt.items] == list(case.indices or ())
    assert {item.options["max_slice_nums"] for item in prompt.items} == {2}
