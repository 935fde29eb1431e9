"""Every prompt, picture and clip of the reference set, as the official code made them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.reference import prepared
from vlmplug.config_json import read_config
from vlmplug.conversation import ImagePart
from vlmplug.errors import PlacementError
from vlmplug.model import FamilyModel, MediaInput, ModelSource
from vlmplug.verify.golden_request import media_request, prompt_request
from vlmplug.verify.goldens import PreprocessCase, PromptCase, StoredPicture
from vlmplug.verify.pictures import make_picture
from vlmplug.verify.set_reader import read_golden_set
from vlmplug_internvl2 import hooks

GOLDEN = Path(__file__).parents[3] / "tests" / "golden" / "internvl2"
SET = read_golden_set(GOLDEN)
PROMPTS = list(SET.prompts.values())
#: What one pixel value may differ by (values in the set have six decimals); pictures read from a JPEG: its decoder's.
PIXEL_ABS, DECODED_ABS = 1e-4, 0.05


@cache
def loaded(checkpoint: str, tile_size: int | None = None) -> FamilyModel:
    """A checkpoint of the set, at its own tile size or another one."""
    folder = GOLDEN / checkpoint
    config = read_config(folder)
    if tile_size is not None:
        config["force_image_size"] = config["vision_config"]["image_size"] = tile_size
    return hooks.load_model(ModelSource("internvl2-2b", "internvl2", folder, config, "internlm2-chat"))


def test_the_set_is_complete() -> None:
    assert (len(PROMPTS), sum(case.undefined for case in PROMPTS)) == (96, 12)
    assert (len(SET.preprocess), len(SET.video)) == (90, 12)


@pytest.mark.parametrize(
    "case",
    [case for case in PROMPTS if case.expect_is != "none"],
    ids=lambda case: f"{case.checkpoint}-{case.id}",
)
def test_prompt_ids_and_spans(case: PromptCase) -> None:
    model = loaded(case.checkpoint)
    prompt, found = prepared(hooks, model, prompt_request(SET, case))
    assert prompt.text(SET.image_tag) == case.expect.prompt
    assert found.input_ids == case.expect.input_ids
    assert [(span.start, span.length) for span in found.spans] == [
        (span.start, span.length) for span in case.expect.media
    ]
    assert [span.item for span in found.spans] == list(range(len(case.media_ids)))
    assert {found.input_ids[span.start + place] for span in found.spans for place in range(span.length)} <= {
        model.placeholder_id
    }


@pytest.mark.parametrize(
    "case", [case for case in PROMPTS if case.expect_is == "none"], ids=lambda case: f"{case.checkpoint}-{case.id}"
)
def test_what_the_official_code_breaks_on_is_refused(case: PromptCase) -> None:
    with pytest.raises(PlacementError, match="<IMG_CONTEXT>"):
        prepared(hooks, loaded(case.checkpoint), prompt_request(SET, case))


@pytest.mark.parametrize("case", SET.preprocess, ids=lambda case: case.id)
def test_pictures_at_the_official_size(case: PreprocessCase) -> None:
    request = media_request(ImagePart(make_picture(case.picture, GOLDEN)), case.options)
    _, found = prepared(hooks, loaded("tiny", 448), request)
    (media,) = found.media
    assert media.grid == case.expect.grid
    assert len(media.pixels) == case.expect.tiles
    assert media.tokens == case.expect.tokens
    assert media.sizes == case.expect.sizes
    if case.expect.pixels is not None:
        check_pixels(case, media)


def check_pixels(case: PreprocessCase, media: MediaInput) -> None:
    """Shape, samples, mean and standard deviation of the normalised pixels."""
    expect, pixels = case.expect.pixels, media.normalised()
    assert expect is not None
    decoded = isinstance(case.picture, StoredPicture)
    assert (pixels.shape,) == expect.shapes
    where, values = zip(*expect.samples, strict=True)
    flat: npt.NDArray[np.float64] = pixels.reshape(-1)[list(where)].astype(np.float64)
    assert np.abs(flat - values).max() <= (DECODED_ABS if decoded else PIXEL_ABS)
    wide = pixels.astype(np.float64)
    assert abs(wide.mean() - expect.mean[0]) <= (2e-3 if decoded else PIXEL_ABS)
    assert abs(wide.std() - expect.std[0]) <= (2e-3 if decoded else PIXEL_ABS)
