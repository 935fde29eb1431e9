"""IMAGE and VIDEO entries of a set: how a test picture or clip is made."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import cast, get_args

from vlmplug.verify.goldens import (
    Channel,
    ChosenFrames,
    DrawnPicture,
    DrawnVideo,
    Mode,
    PictureSpec,
    Recipe,
    StoredPicture,
    Term,
    VideoSpec,
)
from vlmplug.verify.json_field import Field

_MODES: tuple[Mode, ...] = get_args(Mode)
_PRODUCTS = ("x", "y", "xx", "xy", "yy")
#: What a mode needs in its recipe beside R, G and B.
_MORE: dict[Mode, str] = {"RGBA": "A", "LA": "A", "CMYK": "K", "P": "palette"}


def read_picture(value: Field) -> PictureSpec:
    """An IMAGE.

    :raises GoldenSetError: naming file and key.
    """
    if "file" in value.members():
        return _stored(value)
    fields = value.fields("width height mode recipe")
    return _drawn(fields)


def read_video(value: Field) -> VideoSpec:
    """A VIDEO.

    :raises GoldenSetError: naming file and key.
    """
    if "frames" in value.members():
        return ChosenFrames(value.fields("frames fps", "note")["frames"].texts())
    fields = value.fields("width height mode n_frames fps recipe frame_add", "note")
    return DrawnVideo(
        fields["n_frames"].integer(1), fields["fps"].number(), _drawn(fields), fields["frame_add"].integer()
    )


def _stored(value: Field) -> StoredPicture:
    fields = value.fields("width height mode file exif_orientation")
    file = PurePosixPath(fields["file"].text())
    if file.is_absolute() or ".." in file.parts:
        raise fields["file"].error(f"{file} leads out of the set.")
    return StoredPicture(_size(fields), str(file))


def _drawn(fields: dict[str, Field]) -> DrawnPicture:
    mode = cast(Mode, fields["mode"].word(_MODES))
    return DrawnPicture(_size(fields), mode, _recipe(fields["recipe"], mode))


def _size(fields: dict[str, Field]) -> tuple[int, int]:
    return fields["width"].integer(1), fields["height"].integer(1)


def _recipe(value: Field, mode: Mode) -> Recipe:
    fields = value.fields(f"R G B {_MORE.get(mode, '')}")
    palette = fields.pop("palette", None)
    channels = {letter: _channel(field) for letter, field in fields.items()}
    return Recipe(channels, {} if palette is None else _palette(palette))


def _palette(value: Field) -> dict[str, tuple[int, int]]:
    fields = value.fields("R G B")
    return {letter: cast("tuple[int, int]", field.integers(length=2)) for letter, field in fields.items()}


def _channel(value: Field) -> Channel:
    if isinstance(value.content, list):
        a, b, c = value.integers(length=3)
        return Channel(a, b, c)
    fields = value.fields("a b c", "x0 y0 terms")
    terms = tuple(_term(term) for term in fields.pop("terms").items()) if "terms" in fields else ()
    return Channel(**{name: field.integer() for name, field in fields.items()}, terms=terms)


def _term(value: Field) -> Term:
    fields = value.fields("k of div")
    return Term(fields["k"].integer(), fields["of"].word(_PRODUCTS), fields["div"].integer(1))
