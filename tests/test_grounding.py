"""Places that answers name: found in their texts, in pixels, and shown on pictures."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vlmplug.answer_stream import AnswerStream
from vlmplug.box_drawing import with_boxes
from vlmplug.errors import OptionError
from vlmplug.grounding import Box, read_boxes
from vlmplug.model import EngineInput
from vlmplug.sampling import Sampling

SIZE = (640, 200)


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("nothing", ()),
        ("<ref>the dog</ref><box>(10,20),(300,400)</box>", (Box("the dog", ((6, 4), (192, 80))),)),
        ("<box>(0,0),(999,999)</box>", (Box("", ((0, 0), (639, 199))),)),
        (
            "<ref>a</ref><box>(0,0),(500,500)</box><box>(100,100),(200,200)</box><ref> b </ref><box>(0,0),(1,1)</box>",
            (
                Box("a", ((0, 0), (320, 100))),
                Box("a", ((64, 20), (128, 40))),
                Box("b", ((0, 0), (0, 0))),
            ),
        ),
        ("<ref>a</ref> lies at <box>(0,0),(1000,1000)</box>", (Box("", ((0, 0), (640, 200))),)),
        (
            "<ref>a</ref><quad>(0,0),(500,0),(500,500),(0,500)</quad>",
            (Box("a", ((0, 0), (320, 0), (320, 100), (0, 100))),),
        ),
        ("<box> ( 10 , 20 ) , (300,400) </box>", (Box("", ((6, 4), (192, 80))),)),
        ("<box>(0,0),(5000,9000)</box>", (Box("", ((0, 0), (640, 200))),)),
        ("<box>(0,0)</box><box>(1,2),(3)</box><box>a</box><quad>(0,0),(1,1)</quad>", ()),
        ("<box>(-1,0),(2,2)</box><box>(0,0),(1,1),(2,2)</box>", ()),
        ("<ref>a</ref><box>bad</box><box>(0,0),(500,500)</box>", (Box("a", ((0, 0), (320, 100))),)),
        ("<box>(0,0),(500,500)", ()),
        ("<ref>a</box>", ()),
    ],
)
def test_places_in_an_answer(text: str, boxes: tuple[Box, ...]) -> None:
    assert read_boxes(text, SIZE, 1000) == boxes


corner = st.tuples(st.integers(0, 999), st.integers(0, 999))


@given(corner, corner, st.integers(1, 9000), st.integers(1, 9000))
def test_pixels_are_the_official_ones(one: Any, other: Any, width: int, height: int) -> None:
    text = f"<box>({one[0]},{one[1]}),({other[0]},{other[1]})</box>"
    (box,) = read_boxes(text, (width, height), 1000)
    official = [(int(across / 1000 * width), int(down / 1000 * height)) for across, down in (one, other)]
    assert box.corners == tuple(official)
    assert all(0 <= across < width and 0 <= down < height for across, down in box.corners)


@given(st.text("<>/refboxquad(),0123 ", max_size=80))
def test_no_text_is_too_odd(text: str) -> None:
    for box in read_boxes(text, SIZE, 1000):
        assert len(box.corners) in (2, 4)


class Said:
    """A generation that says one text."""

    def __init__(self, text: str) -> None:
        self.ids = tuple(text.encode())

    def __iter__(self) -> Iterator[Any]:
        yield SimpleNamespace(
            token_ids=self.ids, time=0.0, logprobs=(), prompt_logits=None, cached_tokens=0, finish_reason="stop"
        )

    def wait(self) -> None: ...

    def cancel(self) -> None: ...


class Bytes:
    """A tokenizer of bytes."""

    detokenizer = None

    def __init__(self) -> None:
        from vlmplug.detokenizer import Detokenizer

        self.detokenizer = Detokenizer(
            tuple(bytes([byte]) for byte in range(256)), frozenset(), drops_first_space=False, invalid="character"
        )


@pytest.mark.parametrize(
    ("scale", "size", "boxes"),
    [(1000, SIZE, (Box("a", ((0, 0), (320, 100))),)), (None, SIZE, ()), (1000, None, ())],
    ids=["places", "a model that names none", "no picture"],
)
def test_answers_hold_them_in_pixels(scale: int | None, size: tuple[int, int] | None, boxes: tuple[Box, ...]) -> None:
    model: Any = SimpleNamespace(tokenizer=Bytes(), answer_lead="", box_scale=scale)
    generation: Any = Said("See <ref>a</ref><box>(0,0),(500,500)</box>")
    answer = AnswerStream(model, Sampling(), EngineInput((1,)), 0.0, size).whole(generation)
    assert answer.boxes == boxes
    assert answer.text == "See <ref>a</ref><box>(0,0),(500,500)</box>"


@pytest.mark.parametrize("corners", [((1, 1),), (), ((1, 2, 3), (4, 5)), ((1, 2), "ab"), (1, 2), None, ((1, 2),) * 3])
def test_corners_of_no_box(corners: Any) -> None:
    with pytest.raises(OptionError, match="corners is"):
        Box("", corners)


def test_a_label_is_text() -> None:
    with pytest.raises(OptionError, match="label is of type NoneType"):
        Box(None, ((1, 1), (2, 2)))  # type: ignore[arg-type]


class TestDrawing:
    picture = Image.new("RGB", SIZE, "white")

    def test_the_picture_itself_stays_as_it_is(self) -> None:
        drawn = with_boxes(self.picture, [Box("dog", ((10, 10), (100, 100)))])
        assert self.picture.getcolors() == [(640 * 200, (255, 255, 255))]
        assert (drawn.size, drawn.mode) == (SIZE, "RGB")

    @pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
    def test_any_mode(self, mode: str) -> None:
        assert with_boxes(self.picture.convert(mode), [Box("", ((10, 10), (100, 100)))]).mode == "RGB"

    def test_outlines_go_through_the_corners(self) -> None:
        drawn = np.asarray(with_boxes(self.picture, [Box("", ((20, 30), (300, 150)))]))
        coloured = (drawn != 255).any(-1)
        assert coloured[30, 20:301].all() and coloured[150, 20:301].all()
        assert coloured[30:151, 20].all() and coloured[30:151, 300].all()
        assert not coloured[40:140, 30:290].any() and not coloured[:, 310:].any()

    def test_a_quadrilateral_is_no_rectangle(self) -> None:
        corners = ((300, 20), (500, 100), (300, 180), (100, 100))
        coloured = (np.asarray(with_boxes(self.picture, [Box("", corners)])) != 255).any(-1)
        assert all(coloured[down, across] for across, down in corners) and coloured[60, 400]
        assert not coloured[20, 110] and not coloured[100, 300]

    def test_equal_labels_have_one_colour_and_others_another(self) -> None:
        boxes = [Box(label, ((left, 50), (left + 50, 150))) for label, left in (("a", 50), ("b", 200), ("a", 400))]
        drawn = with_boxes(self.picture, boxes)
        first, second, third = (drawn.getpixel((left, 140)) for left in (50, 200, 400))
        assert first == third != second

    @pytest.mark.parametrize(
        "box",
        [Box("dog", ((640, 200), (640, 200))), Box("x", ((300, 150), (20, 30))), Box("狗\n" * 40, ((0, 0), (1, 1)))],
    )
    def test_odd_places_and_labels(self, box: Box) -> None:
        assert with_boxes(self.picture, [box]).size == SIZE

    @pytest.mark.parametrize(
        ("image", "boxes", "says"),
        [
            (None, [], "image is of type NoneType"),
            (picture, None, "boxes is of type NoneType"),
            (picture, [((1, 1), (2, 2))], "box is of type tuple"),
        ],
    )
    def test_what_cannot_be_drawn(self, image: Any, boxes: Any, says: str) -> None:
        with pytest.raises(OptionError, match=says):
            with_boxes(image, boxes)

    def test_a_tiny_picture(self) -> None:
        assert with_boxes(Image.new("L", (1, 1)), [Box("dog", ((0, 0), (1, 1)))]).size == (1, 1)
