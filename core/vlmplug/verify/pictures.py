"""Rebuilds the test pictures and clips of a set from their recipes, as FORMAT.md describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from vlmplug.clip import Clip
from vlmplug.picture import open_picture
from vlmplug.verify.goldens import Channel, DrawnPicture, DrawnVideo, PictureSpec, Recipe

_Plane = npt.NDArray[np.uint8]
_Grid = npt.NDArray[np.int64]


def make_picture(spec: PictureSpec, folder: Path) -> Image.Image:
    """The picture that ``spec`` describes; ``folder`` is the set's, for those that are files.

    :raises MediaError: the file of a stored picture cannot be read.
    """
    if isinstance(spec, DrawnPicture):
        return _DRAW[spec.mode](_Canvas(spec))
    return open_picture(folder / spec.file, f"picture {spec.file}").image


def make_frame(video: DrawnVideo, index: int) -> Image.Image:
    """Frame ``index`` (from 0) of a video that is given by a recipe."""
    shift = video.frame_add * index
    channels = {name: replace(rule, c=rule.c + shift) for name, rule in video.first.recipe.channels.items()}
    frame = replace(video.first, recipe=replace(video.first.recipe, channels=channels))
    return _DRAW[frame.mode](_Canvas(frame))


@dataclass(frozen=True)
class _Canvas:
    """Computes the planes of one picture."""

    spec: DrawnPicture

    @property
    def recipe(self) -> Recipe:
        return self.spec.recipe

    def plane(self, letter: str) -> _Plane:
        width, height = self.spec.size
        return channel_values(self.recipe.channels[letter], width, height)

    def planes(self, letters: str) -> _Plane:
        return np.stack([self.plane(letter) for letter in letters], -1)


def channel_values(rule: Channel, width: int, height: int) -> _Plane:
    """uint8 [height, width]: the values of one channel."""
    y, x = np.ogrid[rule.y0 : rule.y0 + height, rule.x0 : rule.x0 + width]
    x, y = x.astype(np.int64), y.astype(np.int64)
    values: _Grid = rule.a * x + rule.b * y + rule.c
    for term in rule.terms:
        values = values + term.factor * (_PRODUCTS[term.product](x, y) // term.divisor)
    return np.broadcast_to(values % 256, (height, width)).astype(np.uint8)


_PRODUCTS: Mapping[str, Callable[[_Grid, _Grid], _Grid]] = {
    "x": lambda x, y: x,
    "y": lambda x, y: y,
    "xx": lambda x, y: x * x,
    "xy": lambda x, y: x * y,
    "yy": lambda x, y: y * y,
}


def _palette_picture(canvas: _Canvas) -> Image.Image:
    image = Image.frombytes("P", canvas.spec.size, canvas.plane("R").tobytes())
    rules = [canvas.recipe.palette[letter] for letter in "RGB"]
    image.putpalette([(factor * entry + offset) % 256 for entry in range(256) for factor, offset in rules])
    return image


def _cmyk_picture(canvas: _Canvas) -> Image.Image:
    return Image.frombytes("CMYK", canvas.spec.size, canvas.planes("RGBK").tobytes())


def _bilevel_picture(canvas: _Canvas) -> Image.Image:
    return Image.fromarray(np.where(canvas.plane("R") >= 128, 255, 0).astype(np.uint8)).convert("1")


_DRAW: Mapping[str, Callable[[_Canvas], Image.Image]] = {
    "RGB": lambda canvas: Image.fromarray(canvas.planes("RGB")),
    "RGBA": lambda canvas: Image.fromarray(canvas.planes("RGBA")),
    "L": lambda canvas: Image.fromarray(canvas.plane("R")),
    "LA": lambda canvas: Image.fromarray(canvas.planes("RA")),
    "P": _palette_picture,
    "CMYK": _cmyk_picture,
    "1": _bilevel_picture,
}


@dataclass(frozen=True)
class DrawnClip(Clip):
    """A clip whose frames are drawn when they are read.

    ``seen`` collects the numbers of the frames that were read, in order: what a family really looks at.
    """

    draw: Callable[[int], Image.Image]
    seen: list[int] = field(default_factory=list, compare=False)

    def read(self, indices: Sequence[int]) -> list[Image.Image]:
        """As `Clip.read`; notes the numbers."""
        self.seen.extend(indices)
        return super().read(indices)

    def _decode(self, wanted: list[int]) -> Iterable[Image.Image]:
        return (self.draw(index).convert("RGB") for index in wanted)


def drawn_clip(video: DrawnVideo, where: str) -> DrawnClip:
    """The clip of a VIDEO that is given by a recipe."""
    return DrawnClip(where, video.frame_count, video.fps, video.first.size, lambda index: make_frame(video, index))


def blank_clip(frame_count: int, fps: float, where: str) -> DrawnClip:
    """A clip of small black frames, where only the numbers of the frames matter."""
    return DrawnClip(where, frame_count, fps, (8, 8), lambda index: Image.new("RGB", (8, 8)))
