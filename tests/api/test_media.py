"""Pictures and clips from wherever they are, where they go in a prompt, and how they are prepared."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vlmplug
from tests.api.conftest import CLIP, CPU, SHAPES
from tests.loopback import Loopback, ok, status
from vlmplug.errors import MediaError, OptionError, PlacementError
from vlmplug.question import request_of

HOW_MANY = "How many shapes are there?"
FOUR = "There are four shapes."
Model = vlmplug.LoadedModel


@pytest.fixture(scope="module")
def expected(model: Model) -> vlmplug.Answer:
    return model.generate("Describe the image.", images=[SHAPES])


class TestSources:
    @pytest.mark.parametrize(
        "source",
        [
            pytest.param(lambda: str(SHAPES), id="str"),
            pytest.param(lambda: SHAPES.as_uri(), id="file URL"),
            pytest.param(lambda: SHAPES.read_bytes(), id="bytes"),
            pytest.param(lambda: bytearray(SHAPES.read_bytes()), id="bytearray"),
            pytest.param(lambda: SHAPES.open("rb"), id="file"),
            pytest.param(lambda: io.BytesIO(SHAPES.read_bytes()), id="BytesIO"),
            pytest.param(lambda: Image.open(SHAPES), id="PIL"),
            pytest.param(lambda: np.asarray(Image.open(SHAPES).convert("RGB")), id="numpy"),
            pytest.param(lambda: np.asarray(Image.open(SHAPES).convert("RGBA"))[:, :, :3], id="numpy view"),
            pytest.param(lambda: data_url(SHAPES), id="data URL"),
            pytest.param(lambda: vlmplug.ImagePart(SHAPES), id="part"),
            pytest.param(lambda: (SHAPES,), id="tuple"),
        ],
    )
    def test_of_a_picture(self, model: Model, expected: vlmplug.Answer, source: Callable[[], Any]) -> None:
        answer = model.generate("Describe the image.", images=source())
        assert (answer.text, answer.media_tokens) == (expected.text, expected.media_tokens)

    def test_a_picture_by_its_address(self, model: Model, expected: vlmplug.Answer) -> None:
        with Loopback({"/a": status("301 Moved", "Location: /b.png"), "/b.png": ok(SHAPES.read_bytes())}) as server:
            assert model.generate("Describe the image.", images=server.url("/a")).text == expected.text
            with pytest.raises(MediaError, match=r"images\[1\]: http://127.0.0.1:\d+/c: HTTP 404 Not Found"):
                model.generate("Describe the image.", images=[server.url("/a"), server.url("/c")])

    @pytest.mark.parametrize(
        "source", [lambda: str(CLIP), lambda: CLIP.read_bytes(), lambda: CLIP.open("rb"), lambda: data_url(CLIP)]
    )
    def test_of_a_clip(self, model: Model, source: Callable[[], Any]) -> None:
        answer = model.generate("Describe the video.", videos=[source()])
        assert answer.text == "The pink square moves to the right."

    def test_a_clip_by_its_address_and_by_its_frames(self, model: Model) -> None:
        with Loopback({"/clip": ok(CLIP.read_bytes())}) as server:
            assert model.generate("Describe the video.", videos=server.url("/clip")).media_tokens == 128
        frames = [Image.open(SHAPES)] * 3
        assert model.generate("Describe the video.", videos=[frames]).media_tokens == 48

    def test_a_policy_holds_for_all_of_a_models_media(self) -> None:
        options = vlmplug.LoadOptions(media=vlmplug.MediaPolicy(local_files=False, addresses="public"))
        with vlmplug.load("internvl2-tiny", engine=CPU, options=options) as strict:
            with Loopback({"/x": ok(SHAPES.read_bytes())}) as server:
                with pytest.raises(MediaError, match="not public"):
                    strict.generate("Hello", images=server.url("/x"))
                assert server.requests == []
            with pytest.raises(MediaError, match="not read here"):
                strict.chat().generate("Hello", images=SHAPES)
            assert strict.generate(HOW_MANY, images=SHAPES.read_bytes()).text == FOUR


def data_url(path: Path) -> str:
    return f"data:;base64,{base64.b64encode(path.read_bytes()).decode()}"


class TestPlaces:
    """Where pictures go is tested with the families; here, that a question's form decides as documented."""

    def prompt(self, model: Model, asked: Any) -> str:
        return model.pipeline.prepare(request_of(asked, model.sampling)).prompt.text("[#]")

    def test_tags_in_a_question_are_places(self, model: Model) -> None:
        prompt = self.prompt(model, vlmplug.Question("Compare <image> with <image>.", [SHAPES, SHAPES]))
        assert re.search(r"Compare .*\[#\].* with .*\[#\]", prompt, re.DOTALL)

    @pytest.mark.parametrize(
        ("asked", "says"),
        [
            (vlmplug.Question("Is <image> like <image>?", SHAPES), "2 <image> tags in the question, and 1 picture"),
            (vlmplug.Question("See <image>."), "1 <image> tag in the question, and no pictures"),
            ("See <video>.", "1 <video> tag in the question, and no clips"),
        ],
    )
    def test_tags_without_media_are_refused(self, model: Model, asked: Any, says: str) -> None:
        with pytest.raises(PlacementError, match=says) as caught:
            model.generate(asked)
        assert 'placement="inline"' in caught.value.remedy
        (failed,) = model.batch([asked])
        assert isinstance(failed, vlmplug.FailedRequest) and isinstance(failed.error, PlacementError)

    def test_tags_of_a_chat_are_checked_turn_by_turn(self, model: Model) -> None:
        chat = model.chat()
        with pytest.raises(PlacementError, match="1 <image> tag"):
            chat.generate("See <image>.")
        assert "".join(delta.text for delta in chat.stream_turn(vlmplug.user_message("See <image>.")))

    @pytest.mark.parametrize("given", [{"placement": "foo"}, {"parse_special_tokens": "no"}])
    def test_what_is_no_way_to_place_or_to_read(self, model: Model, given: dict[str, Any]) -> None:
        (name, value) = next(iter(given.items()))
        with pytest.raises(OptionError, match=f"{name} is '{value}'"):
            model.generate(vlmplug.Question("Hi", **given))

    @pytest.mark.parametrize(
        "asked",
        [
            vlmplug.Question("See <image>.", SHAPES, placement="inline"),
            [vlmplug.user_message("See <image>.", (SHAPES,))],
            vlmplug.Conversation((vlmplug.user_message("See <image>.", (SHAPES,)),)),
        ],
        ids=["inline", "messages", "conversation"],
    )
    def test_tags_in_messages_are_text(self, model: Model, asked: Any) -> None:
        prompt = self.prompt(model, asked)
        assert "See <image>." in prompt
        assert prompt.count("[#]") == 1

    def test_a_system_prompt(self, model: Model) -> None:
        assert "You are terse." in self.prompt(model, vlmplug.Question("Hi", system="You are terse."))
        default, empty = (self.prompt(model, vlmplug.Question("Hi", system=system)) for system in (None, ""))
        assert len(empty) < len(default)

    def test_special_tokens_are_text_unless_asked_for(self, model: Model) -> None:
        text = "<|im_end|>"
        counts = []
        for parse in (False, True):
            question = vlmplug.Question(text, parse_special_tokens=parse)
            counts.append(model.generate(question, sampling=vlmplug.Sampling(max_new_tokens=1)).prompt_tokens)
        assert counts[0] > counts[1]


class TestMediaOptions:
    def test_for_a_whole_request_and_for_one_picture(self, model: Model) -> None:
        def tokens(**given: Any) -> int:
            return model.generate("Hi", sampling=vlmplug.Sampling(max_new_tokens=1), **given).media_tokens

        assert tokens(images=SHAPES) == 80
        assert tokens(images=SHAPES, media_options={"max_num": 1}) == 16
        assert tokens(images=[vlmplug.ImagePart(SHAPES, {"max_num": 1}), SHAPES]) == 16 + 80
        assert tokens(videos=CLIP, media_options={"num_segments": 2}) == 32

    def test_what_there_is_can_be_asked(self, model: Model) -> None:
        assert {"max_num", "num_segments"} <= set(model.media_options)
        assert model.media_options["max_num"].expected == "a whole number from 1 to 40"

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"max_nun": 1}, "there is no media option 'max_nun'"),
            ({"max_num": 0}, "max_num is 0"),
            ({"max_num": "6"}, "max_num is '6'"),
            ({"max_num": True}, "max_num is True"),
        ],
    )
    def test_wrong_ones(self, model: Model, options: dict[str, Any], says: str) -> None:
        with pytest.raises(OptionError, match=says):
            model.generate("Hi", images=SHAPES, media_options=options)
