"""Test pictures are what FORMAT.md says, pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vlmplug.errors import MediaError
from vlmplug.verify.goldens import Channel, DrawnPicture, DrawnVideo, Mode, Recipe, StoredPicture, Term
from vlmplug.verify.pictures import blank_clip, channel_values, drawn_clip, make_frame, make_picture

NOWHERE = Path("nowhere")
SIZE = (9, 7)
R, G, B = Channel(7, 3, 5), Channel(5, 11, 250), Channel(13, 2, 128)
CHANNELS = {"R": R, "G": G, "B": B, "A": Channel(3, 1, 9), "K": Channel(1, 1, 27)}
PALETTE = {"R": (3, 0), "G": (7, 11), "B": (-1, 255)}


def plain(rule: Channel, x: int, y: int) -> int:
    return (rule.a * x + rule.b * y + rule.c) % 256


def picture(mode: Mode) -> Image.Image:
    return make_picture(DrawnPicture(SIZE, mode, Recipe(CHANNELS, PALETTE)), NOWHERE)


@pytest.mark.parametrize(
    ("mode", "letters"), [("RGB", "RGB"), ("RGBA", "RGBA"), ("L", "R"), ("LA", "RA"), ("P", "R"), ("CMYK", "RGBK")]
)
def test_every_pixel_follows_its_rule(mode: Mode, letters: str) -> None:
    image = picture(mode)
    assert (image.mode, image.size) == (mode, SIZE)
    for x in range(SIZE[0]):
        for y in range(SIZE[1]):
            expected = tuple(plain(CHANNELS[letter], x, y) for letter in letters)
            assert image.getpixel((x, y)) in (expected, expected[0])


def test_a_palette_maps_the_index() -> None:
    image = picture("P")
    index = image.getpixel((4, 2))
    assert isinstance(index, int)
    expected = tuple((p * index + q) % 256 for p, q in PALETTE.values())
    assert image.convert("RGB").getpixel((4, 2)) == expected
    assert len(image.getpalette() or ()) == 3 * 256


def test_bilevel_is_white_from_128() -> None:
    image = picture("1")
    assert image.mode == "1"
    for x in range(SIZE[0]):
        for y in range(SIZE[1]):
            assert image.getpixel((x, y)) == (255 if plain(R, x, y) >= 128 else 0)


@given(
    a=st.integers(-9, 99),
    b=st.integers(-9, 99),
    c=st.integers(-300, 300),
    origin=st.tuples(st.integers(0, 5000), st.integers(0, 5000)),
    terms=st.lists(
        st.builds(Term, st.integers(-40, 40), st.sampled_from(["x", "y", "xx", "xy", "yy"]), st.integers(1, 999)),
        max_size=3,
    ),
)
def test_channels_with_terms(a: int, b: int, c: int, origin: tuple[int, int], terms: list[Term]) -> None:
    rule = Channel(a, b, c, *origin, tuple(terms))
    values = channel_values(rule, 4, 3)
    assert values.shape == (3, 4)
    for x in range(4):
        for y in range(3):
            assert values[y, x] == by_hand(rule, x + origin[0], y + origin[1])


def by_hand(rule: Channel, x: int, y: int) -> int:
    products = {"x": x, "y": y, "xx": x * x, "xy": x * y, "yy": y * y}
    value = rule.a * x + rule.b * y + rule.c
    return (value + sum(term.factor * (products[term.product] // term.divisor) for term in rule.terms)) % 256


VIDEO = DrawnVideo(5, 25.0, DrawnPicture(SIZE, "RGB", Recipe({"R": R, "G": G, "B": B})), 37)


@pytest.mark.parametrize("index", [0, 1, 4])
def test_frames_of_a_drawn_video(index: int) -> None:
    frame = make_frame(VIDEO, index)
    expected = tuple((plain(rule, 3, 2) + 37 * index) % 256 for rule in (R, G, B))
    assert frame.getpixel((3, 2)) == expected


def test_a_drawn_clip_notes_which_frames_were_read() -> None:
    clip = drawn_clip(VIDEO, "clip")
    assert (clip.frame_count, clip.fps, clip.size) == (5, 25.0, SIZE)
    frames = clip.read([4, 0, 4])
    assert clip.seen == [4, 0, 4]
    assert frames[0].tobytes() == make_frame(VIDEO, 4).tobytes()
    with pytest.raises(MediaError, match="no frame 5"):
        clip.read([5])


def test_a_blank_clip_has_frames_to_count() -> None:
    clip = blank_clip(300, 30.0, "clip")
    assert (clip.frame_count, clip.fps) == (300, 30.0)
    assert np.asarray(clip.read([299])[0]).max() == 0


def test_a_stored_picture_is_not_rotated(golden: Path) -> None:
    image = make_picture(StoredPicture((0, 0), "exif.jpg"), golden)
    with Image.open(golden / "exif.jpg") as stored:
        assert stored.getexif()[0x0112] != 1
        assert image.tobytes() == stored.convert("RGB").tobytes()


def test_a_stored_picture_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"picture exif\.jpg"):
        make_picture(StoredPicture((8, 8), "exif.jpg"), tmp_path)
