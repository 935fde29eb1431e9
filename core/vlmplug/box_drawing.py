"""Draws the places that an answer names onto its picture."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from vlmplug.checked_type import check_type
from vlmplug.grounding import Box, Corner

#: Colours that can be told apart, also by people who see fewer (Okabe and Ito, 2008), but for black.
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
#: Shorter side of a picture over the width of a line, and over the height of a letter.
_LINE, _LETTER = 150, 25
_LEAST_LETTER = 12


def with_boxes(image: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """A copy of a picture with the outline of each box and its label; equal labels have one colour.

    :return: mode RGB, of the same size.
    :raises OptionError: no PIL image, or no boxes.
    """
    check_type("image", image, Image.Image, "Give a PIL image: Image.open(file).")
    check_type("boxes", boxes, (tuple, list), "Give the boxes of an answer: answer.boxes.")
    for box in boxes:
        check_type("box", box, Box, "Write Box(label, corners).")
    drawn = image.convert("RGB")
    drawn = drawn.copy() if drawn is image else drawn
    pen, short = ImageDraw.Draw(drawn), min(drawn.size)
    font = ImageFont.load_default(size=max(short // _LETTER, _LEAST_LETTER))
    labels = list(dict.fromkeys(box.label for box in boxes))
    for box in boxes:
        colour = _COLOURS[labels.index(box.label) % len(_COLOURS)]
        outline = _outline(box)
        pen.line([*outline, outline[0], outline[1]], fill=colour, width=max(short // _LINE, 2), joint="curve")
        if box.label:
            _write(pen, box.label, (outline[0], colour), font)
    return drawn


def _outline(box: Box) -> list[Corner]:
    """Four corners, one after the other around it."""
    if len(box.corners) != 2:
        return list(box.corners)
    (left, top), (right, bottom) = box.corners
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _write(
    pen: ImageDraw.ImageDraw, label: str, corner: tuple[Corner, str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """A label on its colour, inside of its corner."""
    place, colour = corner
    pen.rectangle(pen.textbbox(place, label, font=font), fill=colour)
    pen.text(place, label, fill="white", font=font)
