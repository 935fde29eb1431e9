"""The hooks through the host: pictures, refusals, what an answer says, and the ms-swift calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.family_engine import swift_answers
from tests.reference import Reference
from vlmplug.compat.swift.catalogue import CATALOGUE
from vlmplug.conversation import Conversation, ImagePart, Message, PromptOptions, TextPart, VideoPart, user_message
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import MediaError, OptionError
from vlmplug.media import Picture
from vlmplug.model import FamilyModel, MediaBatch
from vlmplug.pipeline import Pipeline, Preparer, Request, open_pipeline, open_preparer
from vlmplug.prompt import MediaItem
from vlmplug.sampling import Sampling
from vlmplug_glm4v import hooks


@pytest.fixture(scope="module")
def preparer(model: FamilyModel) -> Preparer:
    return open_preparer("glm4v-9b-chat", model.folder)


@pytest.fixture(scope="module")
def pipeline(model: FamilyModel) -> Iterator[Pipeline]:
    with open_pipeline("glm4v-9b-chat", model.folder, EngineOptions("cpu", threads=1)) as made:
        yield made


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30)),
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (112, 112)])
def test_any_picture_has_the_trained_size(
    mode: str, colour: object, expected: tuple[int, ...], size: tuple[int, int], model: FamilyModel
) -> None:
    picture = Picture(Image.new(mode, size, colour))  # type: ignore[arg-type]
    (item,) = hooks.preprocess_media(model, MediaBatch((ImagePart(picture),), (MediaItem(0),)))
    assert item.pixels.shape == (1, 112, 112, 3) and item.tokens == 18
    assert np.unique(item.pixels.reshape(-1, 3), axis=0).tolist() == [list(expected)]


def test_clips_are_refused(preparer: Preparer, model: FamilyModel) -> None:
    clip = [Image.new("RGB", (4, 4))] * 2
    message = Message("user", (VideoPart(clip), TextPart("Hi")))
    with pytest.raises(MediaError, match="takes no videos"):
        preparer.prepare(Request(Conversation((message,))))
    opened = Conversation((message,)).opened().media
    with pytest.raises(MediaError, match="pictures only"):
        hooks.preprocess_media(model, MediaBatch(opened, (MediaItem(0, 0),)))


def test_there_are_no_media_options(preparer: Preparer) -> None:
    request = Request(Conversation((user_message("Hi"),)), PromptOptions(media={"max_num": 6}))
    with pytest.raises(OptionError, match="max_num"):
        preparer.prepare(request)


def test_the_line_break_in_front_of_an_answer_is_not_said(
    pipeline: Pipeline, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the checkpoint happens to say first stands in for the line break of the real one."""
    asked = reference.request("text_multi_turn", max_new_tokens=6)
    whole = pipeline.generate(asked)
    first = pipeline.model.tokenizer.decode(whole.token_ids[:2])
    monkeypatch.setattr(pipeline._preparer, "model", replace(pipeline.model, answer_lead=first))
    answer = pipeline.generate(asked)
    assert first and answer.text == whole.text.removeprefix(first)
    assert answer.token_ids == whole.token_ids
    assert "".join(delta.text for delta in pipeline.stream(asked)) == answer.text


def test_answers_end_at_the_official_tokens(model: FamilyModel) -> None:
    names = {number: token for token, number in model.tokenizer.special_tokens.items()}
    assert [names[number] for number in model.stop_ids] == ["<|endoftext|>", "<|user|>", "<|observation|>"]


def test_scripts_for_ms_swift_run(model: FamilyModel, golden: Path) -> None:
    answers = swift_answers("glm4v-9b-chat", "glm4v", model.folder, golden / "exif.jpg")
    assert answers[0] == answers[1] == answers[2] != answers[3]
    assert not CATALOGUE.models


def test_a_sampled_answer_takes_the_settings_of_the_checkpoint(model: FamilyModel) -> None:
    assert model.sampling.sampling == replace(Sampling(), temperature=0.8, top_p=0.8)
