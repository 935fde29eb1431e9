"""Places in a picture that an answer names: ``<ref>the dog</ref><box>(100,50),(480,900)</box>``.

The model counts in parts of the picture's width and of its height (Qwen-VL in thousandths), so that a picture whose
proportions were not kept has the same numbers. A box has two corners, a ``<quad>`` four.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from vlmplug.checked_type import check_type
from vlmplug.errors import OptionError
from vlmplug.number import is_number

#: Column and row of a pixel, from the top left.
Corner: TypeAlias = "tuple[int, int]"

_FIX_CORNERS = "Give two opposite corners, or all four: ((left, top), (right, bottom))."
_TAGGED = re.compile(r"<(ref|box|quad)>(.*?)</\1>", re.DOTALL)
_CORNER = r"\(\s*(\d{1,9})\s*,\s*(\d{1,9})\s*\)"
_PLACES = {
    "box": re.compile(r"\s*,\s*".join([_CORNER] * 2)),
    "quad": re.compile(r"\s*,\s*".join([_CORNER] * 4)),
}


@dataclass(frozen=True)
class Box:
    """A place in a picture.

    - ``label``: what the answer calls it; empty where no name stands in front.
    - ``corners``: in pixels of the picture as it was given, in the order of the answer: two opposite ones of an upright
      rectangle, or all four of a quadrilateral.
    """

    label: str
    corners: tuple[Corner, ...]

    def __post_init__(self) -> None:
        """:raises OptionError: a label that is no text, or other corners than two or four pairs of numbers."""
        check_type("label", self.label, str, "Give a text; empty: none.")
        if not isinstance(self.corners, tuple | list) or len(self.corners) not in (2, 4):
            raise OptionError(f"corners is {self.corners!r}.", _FIX_CORNERS)
        if not all(map(_is_corner, self.corners)):
            raise OptionError(f"corners is {self.corners!r}.", _FIX_CORNERS)


def _is_corner(corner: Any) -> bool:
    return isinstance(corner, tuple | list) and len(corner) == 2 and all(map(is_number, corner))


def read_boxes(text: str, size: tuple[int, int], scale: int) -> tuple[Box, ...]:
    """The places that an answer names, in order; what is malformed is left out.

    Several places may follow one name; they all have it. Pixels are rounded down in floating point, as in the official
    code of Qwen-VL (``draw_bbox_on_latest_picture``): 290 of 1000 are pixel 28 of 100. They stay inside the picture.

    :param text: an answer with its tags.
    :param size: width and height of the picture.
    :param scale: parts that the answer counts a side in.
    """
    return tuple(_boxes(text, size, scale))


def _boxes(text: str, size: tuple[int, int], scale: int) -> Iterator[Box]:
    label, end = "", -1
    for tagged in _TAGGED.finditer(text):
        if tagged[1] == "ref":
            label = tagged[2].strip()
        else:
            label = label if tagged.start() == end else ""
            if place := _PLACES[tagged[1]].fullmatch(tagged[2].strip()):
                yield Box(label, tuple(_corners([int(number) for number in place.groups()], size, scale)))
        end = tagged.end()


def _corners(numbers: list[int], size: tuple[int, int], scale: int) -> Iterator[Corner]:
    width, height = size
    for across, down in zip(numbers[::2], numbers[1::2], strict=True):
        yield min(int(across / scale * width), width), min(int(down / scale * height), height)
