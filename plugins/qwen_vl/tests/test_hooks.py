"""The hooks through the host: pictures, refusals, places in answers, and the ms-swift calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.family_engine import swift_answers
from vlmplug.compat.swift.catalogue import CATALOGUE
from vlmplug.conversation import Conversation, ImagePart, Message, TextPart, VideoPart
from vlmplug.errors import MediaError
from vlmplug.media import Picture
from vlmplug.model import FamilyModel, MediaBatch
from vlmplug.pipeline import Request, open_preparer
from vlmplug.prompt import MediaItem
from vlmplug.sampling import Sampling
from vlmplug_qwen_vl import hooks


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30)),
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (448, 448)])
def test_any_picture_has_the_trained_size(
    mode: str, colour: object, expected: tuple[int, ...], size: tuple[int, int], model: FamilyModel
) -> None:
    picture = Picture(Image.new(mode, size, colour))  # type: ignore[arg-type]
    (item,) = hooks.preprocess_media(model, MediaBatch((ImagePart(picture),), (MediaItem(0),)))
    assert item.pixels.shape == (1, 448, 448, 3) and item.tokens == 256
    assert np.unique(item.pixels.reshape(-1, 3), axis=0).tolist() == [list(expected)]


def test_clips_are_refused(model: FamilyModel) -> None:
    clip = [Image.new("RGB", (4, 4))] * 2
    message = Message("user", (VideoPart(clip), TextPart("Hi")))
    conversation = Conversation((message,))
    with pytest.raises(MediaError, match="takes no videos"):
        open_preparer("qwen-vl-chat", model.folder).prepare(Request(conversation))
    opened = conversation.opened()
    with pytest.raises(MediaError, match="takes no clips"):
        hooks.render_prompt(model, opened, Request(conversation).options)
    with pytest.raises(MediaError, match="pictures only"):
        hooks.preprocess_media(model, MediaBatch(opened.media, (MediaItem(0, 0),)))


def test_the_last_picture_of_a_prompt_is_the_one_that_places_are_in(model: FamilyModel) -> None:
    preparer = open_preparer("qwen-vl-chat", model.folder)
    pictures = [ImagePart(Image.new("RGB", size)) for size in ((30, 20), (500, 7))]
    with_pictures, without = (
        preparer.prepare(Request(Conversation((Message("user", (*media, TextPart("Where?"))),))))
        for media in (pictures, ())
    )
    assert (with_pictures.picture_size, without.picture_size) == ((500, 7), None)


def test_scripts_for_ms_swift_run(model: FamilyModel, golden: Path) -> None:
    answers = swift_answers("qwen-vl-chat", "qwen-vl", model.folder, golden / "exif.jpg")
    assert answers[0] == answers[1] == answers[2] != answers[3]
    assert not CATALOGUE.models


def test_a_sampled_answer_takes_the_settings_of_the_checkpoint(model: FamilyModel) -> None:
    assert model.sampling.sampling == replace(Sampling(), temperature=1.0, top_p=0.3)
