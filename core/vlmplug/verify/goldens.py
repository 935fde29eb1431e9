"""A reference set of format 1 in memory; `read_golden_set` reads one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from vlmplug.conversation import Placement

FORMAT = 1

Mode = Literal["RGB", "RGBA", "L", "LA", "P", "CMYK", "1"]
Expectation = Literal["official", "suggested", "none"]
StatisticsOver = Literal["all", "channel", "tile"]


@dataclass(frozen=True)
class Term:
    """``factor * floor(product / divisor)``; ``product`` is x, y, xx, xy or yy."""

    factor: int
    product: str
    divisor: int


@dataclass(frozen=True)
class Channel:
    """One 8-bit plane: ``(a*x + b*y + c + terms) mod 256``, with x and y shifted by ``x0`` and ``y0``."""

    a: int
    b: int
    c: int
    x0: int = 0
    y0: int = 0
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """Channels by letter (R, G, B and A or K), and for palettes the pair (p, q) of each colour."""

    channels: Mapping[str, Channel]
    palette: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class DrawnPicture:
    """A picture that is made from a recipe; ``size`` is width and height."""

    size: tuple[int, int]
    mode: Mode
    recipe: Recipe


@dataclass(frozen=True)
class StoredPicture:
    """A picture that is a file of the set; its EXIF orientation is not applied."""

    size: tuple[int, int]
    file: str


PictureSpec: TypeAlias = "DrawnPicture | StoredPicture"


@dataclass(frozen=True)
class ChosenFrames:
    """A video whose frames are pictures of the set, all used in order."""

    frames: tuple[str, ...]


@dataclass(frozen=True)
class DrawnVideo:
    """A video whose frame n is the recipe with ``frame_add * n`` added to every channel."""

    frame_count: int
    fps: float
    first: DrawnPicture
    frame_add: int


VideoSpec: TypeAlias = "ChosenFrames | DrawnVideo"


@dataclass(frozen=True)
class Tolerance:
    """Largest differences that count as equal.

    - ``features_rel``, ``logits_rel``: largest difference over largest stored value.
    - ``pixel_abs``: with the same Pillow version; ``pixel_abs_other_resampler``: with another one.
    """

    features_rel: float
    logits_rel: float
    pixel_abs: float
    pixel_abs_other_resampler: float


@dataclass(frozen=True)
class GoldenCheckpoint:
    """A tiny checkpoint; ``stands_for`` is the model type that it imitates."""

    name: str
    folder: Path
    stands_for: str
    stop_ids: tuple[int, ...]
    special_ids: Mapping[str, int]


@dataclass(frozen=True)
class ExpectedPixels:
    """Facts about a prepared tensor, channels first.

    - ``shapes``: one a tile where tiles differ in size, else one.
    - ``mean``, ``std``: one number over everything, three (channels), or one a tile; population std.
    - ``samples``: (flat index counted through all tiles, value).
    """

    shapes: tuple[tuple[int, ...], ...]
    over: StatisticsOver
    mean: tuple[float, ...]
    std: tuple[float, ...]
    samples: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class ExpectedMedia:
    """What preparing one picture or clip gives; None: the set says nothing.

    - ``pixel_abs``, ``statistics_abs``: tolerances of this case alone.
    """

    grid: tuple[int, int] | None
    tiles: int | None
    tokens: int | None
    sizes: tuple[tuple[int, int], ...] | None
    pixels: ExpectedPixels | None
    pixel_abs: float | None = None
    statistics_abs: float | None = None


@dataclass(frozen=True)
class PreprocessCase:
    """One picture, prepared at the official full size."""

    id: str
    checkpoint: str
    picture: PictureSpec
    options: Mapping[str, Any]
    undefined: bool
    expect: ExpectedMedia


@dataclass(frozen=True)
class VideoCase:
    """Which frames of a clip are read; ``video`` and ``expect`` only where they are looked at."""

    id: str
    frame_count: int
    fps: float
    options: Mapping[str, Any]
    undefined: bool
    video: VideoSpec | None
    indices: tuple[int, ...] | None
    expect: ExpectedMedia | None


@dataclass(frozen=True)
class GoldenPart:
    """A text, or the id of a picture or video."""

    type: Literal["text", "image", "video"]
    value: str


@dataclass(frozen=True)
class GoldenMessage:
    """One turn; ``content`` None is explicitly nothing. ``extras``: keys that only one family has."""

    role: str
    content: tuple[GoldenPart, ...] | None
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExpectedSpan:
    """Positions that get the vision embeddings of one picture or slice; ``id`` names its picture or video."""

    id: str
    start: int
    length: int


@dataclass(frozen=True)
class ExpectedPrompt:
    """What a conversation becomes; -1 among the ids stands for a position that has no id."""

    prompt: str | None
    input_ids: tuple[int, ...] | None
    media: tuple[ExpectedSpan, ...]
    position_ids: tuple[int, ...] | None


@dataclass(frozen=True)
class PromptCase:
    """One conversation for one checkpoint."""

    id: str
    checkpoint: str
    messages: tuple[GoldenMessage, ...]
    options: Mapping[str, Any]
    undefined: bool
    expect_is: Expectation
    expect: ExpectedPrompt

    @property
    def media_ids(self) -> tuple[str, ...]:
        """Pictures and videos, in order over all messages."""
        parts = (part for message in self.messages for part in message.content or ())
        return tuple(part.value for part in parts if part.type != "text")


@dataclass(frozen=True)
class ForwardCase:
    """What the model computes for a prompt.

    - ``variant``: None for the main result.
    - ``greedy``: ids by plain argmax; ``min_margin``: smallest distance of best and second logit over the steps.
    - ``features``: a tensor name for each entry of the prompt's ``media``; ``feature_rows``: (first, step) of the
      rows that are stored, None for all.
    - ``logits``: name of the tensor at the last prompt position.
    """

    prompt: str
    checkpoint: str
    variant: str | None
    greedy: tuple[int, ...]
    min_margin: float
    features: tuple[str, ...] | None
    feature_rows: tuple[tuple[int, int], ...] | None
    logits: str


@dataclass(frozen=True)
class GoldenSet:
    """A whole set.

    - ``versions``: libraries that made it. ``image_tag``: what stands in a prompt for one picture.
    - ``prompts``: by checkpoint and id. ``tensors``: names and shapes in ``forward.safetensors``.
    """

    folder: Path
    family: str
    name: str
    versions: Mapping[str, str]
    tolerance: Tolerance
    placement_default: Placement
    image_tag: str
    checkpoints: Mapping[str, GoldenCheckpoint]
    pictures: Mapping[str, PictureSpec]
    videos: Mapping[str, VideoSpec]
    preprocess: tuple[PreprocessCase, ...]
    video: tuple[VideoCase, ...]
    prompts: Mapping[tuple[str, str], PromptCase]
    forward: tuple[ForwardCase, ...]
    tensors: Mapping[str, tuple[int, ...]]
