"""Pictures are decoded whole, in the mode of their file, or refused with a message that names them."""

from __future__ import annotations

import base64
import io
import pickle
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

import vlmplug.picture
from vlmplug.errors import MediaError
from vlmplug.media import PICTURE_FORMATS, Picture, open_picture

WHERE = "messages[0].parts[1]"
PHOTO = Path(sklearn.datasets.__file__).parent / "images" / "china.jpg"


def gradient(width: int = 40, height: int = 30, channels: int = 3) -> np.ndarray[Any, np.dtype[np.uint8]]:
    x, y, c = np.meshgrid(np.arange(width), np.arange(height), np.arange(channels))
    return ((5 * x + 3 * y + 70 * c) % 256).astype(np.uint8)


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(gradient())).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("source", [PHOTO, str(PHOTO), PHOTO.read_bytes(), PHOTO.open("rb"), Image.open(PHOTO)])
def test_a_photo_from_every_source(source: Any) -> None:
    picture = open_picture(source, WHERE)
    assert picture.image.mode == "RGB"
    assert np.array_equal(np.asarray(picture.image), np.asarray(Image.open(PHOTO)))


@pytest.mark.parametrize("kind", PICTURE_FORMATS)
def test_every_format(kind: str) -> None:
    content = encoded(kind)
    picture = open_picture(content, WHERE)
    assert np.array_equal(np.asarray(picture.image), np.asarray(Image.open(io.BytesIO(content))))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_the_mode_of_the_file_is_kept(mode: str) -> None:
    image = Image.fromarray(gradient()).convert("L").convert(mode) if mode != "I;16" else Image.new(mode, (4, 3), 999)
    picture = open_picture(encoded("PNG", image), WHERE)
    assert picture.image.mode == mode
    assert picture.image.tobytes() == image.tobytes()


def test_cmyk_stays_cmyk() -> None:
    assert open_picture(encoded("JPEG", Image.new("CMYK", (8, 8), (10, 20, 30, 40))), WHERE).image.mode == "CMYK"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_not_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert open_picture(encoded("JPEG", exif=exif), WHERE).image.size == (40, 30)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_the_first_frame_of_a_moving_picture(kind: str) -> None:
    first, second = Image.new("RGB", (6, 5), "red"), Image.new("RGB", (6, 5), "blue")
    options = {} if kind in ("TIFF", "MPO") else {"lossless": True} if kind == "WEBP" else {"duration": 50}
    content = encoded(kind, first, save_all=True, append_images=[second], **options)
    assert open_picture(content, WHERE).image.convert("RGB").getpixel((0, 0))[0] > 250


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_arrays(channels: int, mode: str) -> None:
    array = gradient(channels=channels)
    picture = open_picture(array, WHERE)
    assert picture.image.mode == mode
    assert np.array_equal(np.asarray(picture.image).reshape(array.shape), array)


def test_an_array_without_channels_is_grey() -> None:
    array = gradient()[:, :, 0]
    picture = open_picture(array, WHERE)
    assert picture.image.mode == "L"
    assert np.array_equal(np.asarray(picture.image), array)


def test_a_data_url() -> None:
    content = encoded("PNG")
    picture = open_picture("data:image/jpeg;base64," + base64.b64encode(content).decode(), WHERE)
    assert np.array_equal(np.asarray(picture.image), gradient())


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_that_changes_afterwards_changes_nothing(order: Any) -> None:
    array = np.array(gradient(), order=order)[::2, ::-1]
    before = array.copy()
    picture = open_picture(array, WHERE)
    array[:] = 0
    assert np.array_equal(np.asarray(picture.image), before)


def test_a_pil_image_that_changes_afterwards_changes_nothing() -> None:
    image = Image.new("RGB", (4, 4), "red")
    picture = open_picture(image, WHERE)
    image.paste("blue", (0, 0, 4, 4))
    assert picture.image.getpixel((0, 0)) == (255, 0, 0)


def test_a_picture_is_returned_as_it_is() -> None:
    picture = Picture(Image.new("RGB", (2, 2)))
    assert open_picture(picture, WHERE) is picture


def test_pictures_are_picklable() -> None:
    for source in (PHOTO, encoded("GIF"), encoded("PNG", Image.new("LA", (3, 2), (9, 8)))):
        picture = open_picture(source, WHERE)
        copied = pickle.loads(pickle.dumps(picture))
        assert copied.image.mode == picture.image.mode
        assert copied.image.convert("RGBA").tobytes() == picture.image.convert("RGBA").tobytes()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"<html>not found</html>", "not a picture of a known format"),
        (b"\xff\xd8\xff\xe0", "broken|not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture of a known format"),
        (b"", "not a single byte"),
        (gradient().astype(np.float32), "an array of float32"),
        (gradient(channels=2), r"an array of uint8 \[30, 40, 2\]"),
        (gradient()[0, 0], r"an array of uint8 \[3\]"),
        (gradient()[None], r"an array of uint8 \[1, 30, 40, 3\]"),
        (gradient() > 3, r"an array of bool \[30, 40, 3\]"),
        (gradient()[:0], "40x0"),
        (Image.new("RGB", (0, 5)), "0x5"),
        (None, "NoneType is nothing"),
        (17, "int is nothing"),
        ("ftp://example.com/cat.png", "ftp: addresses are not read"),
        ("data:image/png;base64,PGh0bWw+", "not a picture of a known format"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture(source: Any, says: str) -> None:
    with pytest.raises(MediaError, match=says) as caught:
        open_picture(source, WHERE)
    assert caught.value.problem.startswith(WHERE)
    assert caught.value.remedy


def test_an_array_of_floats_is_told_how_to_become_a_picture() -> None:
    floats = gradient().astype(np.float32) / 255
    with pytest.raises(MediaError) as caught:
        open_picture(floats, WHERE)
    assert "(array * 255).round().astype('uint8')" in caught.value.remedy
    assert np.array_equal((floats * 255).round().astype("uint8"), gradient())


def test_a_format_outside_the_list_is_refused_though_pillow_knows_it() -> None:
    with pytest.raises(MediaError, match="known format"):
        open_picture(encoded("ICO"), WHERE)


def test_an_unloaded_pil_image_whose_file_is_closed() -> None:
    file = PHOTO.open("rb")
    image = Image.open(file)
    file.close()
    with pytest.raises(MediaError, match="cannot be loaded"):
        open_picture(image, WHERE)


def test_pixels_are_counted_on_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = bytearray(encoded("PNG", Image.new("1", (8, 8))))
    # Width and height of the header, with the checksum that belongs to them.
    huge[16:24] = (65_535).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    with pytest.raises(MediaError, match=r"65535x65535 are more than 178956970 pixels\. Scale the picture down"):
        open_picture(bytes(huge), WHERE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(MediaError, match="65535x65535 are more than"):
        open_picture(bytes(huge), WHERE)


def test_every_format_that_is_too_large_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    for kind in PICTURE_FORMATS:
        with pytest.raises(MediaError, match=r"(40x30 are|it has) more than 1000 pixels"):
            open_picture(encoded(kind), WHERE)


def test_the_limit_itself_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vlmplug.picture, "MAX_PICTURE_PIXELS", 1200)
    assert open_picture(encoded("PNG"), WHERE).image.size == (40, 30)
    monkeypatch.setattr(vlmplug.picture, "MAX_PICTURE_PIXELS", 1199)
    for source in (encoded("PNG"), gradient(), Image.fromarray(gradient())):
        with pytest.raises(MediaError, match="40x30 are more than 1199 pixels"):
            open_picture(source, WHERE)


@pytest.mark.parametrize("lenient", [False, True], ids=["pillow strict", "pillow lenient"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF"])
def test_a_file_that_is_cut_short(kind: str, lenient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Libraries that were imported earlier may have set Pillow's switch for lenience; it must make no
    # difference.
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    content = encoded(kind, noise)
    for kept in (0.9, 0.5, 0.05):
        with pytest.raises(MediaError, match=r"broken or cut short|known format"):
            open_picture(content[: int(len(content) * kept)], WHERE)


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(PICTURE_FORMATS), changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255))))
def test_a_damaged_file_is_a_picture_or_a_media_error(kind: str, changes: list[tuple[float, int]]) -> None:
    content = bytearray(encoded(kind))
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    try:
        assert open_picture(bytes(content), WHERE).image.size
    except MediaError as error:
        assert error.problem.startswith(WHERE)


def test_pillows_settings_are_left_alone() -> None:
    program = """if True:
        from PIL import Image, ImageFile
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        from vlmplug.media import open_picture
        import sys
        open_picture(sys.argv[1], "picture")
        assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
        assert "av" not in sys.modules
        """
    subprocess.run([sys.executable, "-c", program, str(PHOTO)], check=True)
