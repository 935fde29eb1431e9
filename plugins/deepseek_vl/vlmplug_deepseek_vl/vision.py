"""The vision side of a checkpoint as data, whichever format its ``config.json`` has. Nothing here imports PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from vlmplug.errors import CheckpointMismatchError
from vlmplug.parts.section import Section

#: One value for each of red, green and blue.
Colours: TypeAlias = "tuple[float, float, float]"
#: How the files hold SigLIP: ``timm``: fused projections; ``transformers``: separate ones, flat positions.
Layout = Literal["timm", "transformers"]

#: Side of the windows of Segment Anything, in tokens; no file says it.
WINDOW = 14


@dataclass(frozen=True)
class Normalisation:
    """What is subtracted from colours between 0 and 1, and what they are divided by."""

    mean: Colours
    std: Colours

    @classmethod
    def read(cls, section: Section, mean: str, std: str) -> Normalisation | None:
        """What a section says under two keys; None where it does not give both.

        :raises CheckpointMismatchError: a value that is no colour, or nothing to divide by.
        """
        found = section.triple(mean), section.triple(std)
        if found[0] is None or found[1] is None:
            return None
        if min(found[1]) == 0:
            raise section.wrong(std, "three numbers above 0")
        return cls(found[0], found[1])


@dataclass(frozen=True)
class Siglip:
    """The tower for pictures of 384 pixels.

    - ``inner``: width of the MLPs. ``normalisation``: inside the tower; None: there is none.
    """

    image_size: int
    patch_size: int
    width: int
    inner: int
    heads: int
    layers: int
    activation: str
    eps: float
    layout: Layout
    normalisation: Normalisation | None

    @property
    def side(self) -> int:
        """Tokens along the side of a picture."""
        return self.image_size // self.patch_size


@dataclass(frozen=True)
class Sam:
    """The tower for pictures of 1024 pixels; ``downsamples``: channels of the convolutions behind its neck."""

    image_size: int
    patch_size: int
    width: int
    inner: int
    heads: int
    layers: int
    global_layers: tuple[int, ...]
    neck: int
    downsamples: tuple[int, ...]
    eps: float
    normalisation: Normalisation | None


@dataclass(frozen=True)
class Aligner:
    """The projector: widths of its input (each tower's) and output, and how many linear layers it has."""

    input: int
    output: int
    depth: int


@dataclass(frozen=True)
class Vision:
    """Towers and projector.

    - ``sam``: None where SigLIP is alone. ``input``: normalisation of the processor, before the towers' own.

    :raises CheckpointMismatchError: sizes that do not fit together.
    """

    siglip: Siglip
    sam: Sam | None
    aligner: Aligner
    input: Normalisation | None = None

    def __post_init__(self) -> None:
        for name, tower in (("SigLIP", self.siglip), ("SAM", self.sam)):
            if tower is not None:
                _require(tower.width % tower.heads == 0, f"{name} has {tower.width} channels and {tower.heads} heads")
                fits = tower.image_size % tower.patch_size == 0
                _require(fits, f"{name} cuts {tower.image_size} pixels into patches of {tower.patch_size}")
        last = [self.siglip.width, *([self.sam.downsamples[-1]] if self.sam and self.sam.downsamples else [])]
        fits = all(width == self.aligner.input for width in last)
        _require(fits, f"the towers give {last} channels and the aligner takes {self.aligner.input}")
        if self.sam is not None:
            _require(any(layer < self.sam.layers for layer in self.sam.global_layers), "SAM has no global layer")

    @property
    def entrance(self) -> Siglip | Sam:
        """The tower whose pictures the processor makes; the other one gets them scaled down."""
        return self.sam or self.siglip

    @property
    def tokens(self) -> int:
        """Vision tokens of a picture."""
        return self.siglip.side**2

    def to_data(self) -> dict[str, Any]:
        """The same as JSON can hold it; `from_data` reads it."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Vision:
        """What `to_data` made, or JSON of it."""
        sam = data["sam"]
        return cls(
            Siglip(**{**data["siglip"], "normalisation": _normalisation(data["siglip"]["normalisation"])}),
            None if sam is None else _sam(sam),
            Aligner(**data["aligner"]),
            _normalisation(data["input"]),
        )


def _sam(data: Mapping[str, Any]) -> Sam:
    lists = {name: tuple(data[name]) for name in ("global_layers", "downsamples")}
    return Sam(**{**data, **lists, "normalisation": _normalisation(data["normalisation"])})


def _normalisation(data: Mapping[str, Any] | None) -> Normalisation | None:
    return None if data is None else Normalisation(tuple(data["mean"]), tuple(data["std"]))


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise CheckpointMismatchError(f"config.json does not fit together: {problem}.", "Use the official config.json.")
