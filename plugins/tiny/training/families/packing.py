"""Packing a family's samples into rows of one length, their tiles sorted by size: every batch has the same shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.families.description import BlockSize, Pictures, Size, TinyFamily
from training.families.samples import Sample
from training.packing import FILL, Block
from training.packing import LAYOUT as SHARED

#: Samples that wait for the next block before this one counts as full.
ASIDE = 6


@dataclass(frozen=True)
class Layout:
    """The arrays of one block: the columns of every block, and one array of tiles for each of their sizes.

    Rows of the tower's output are numbered through the tiles of the first size, then of the second, and so on.
    """

    pictures: Pictures
    block: BlockSize

    @classmethod
    def of(cls, family: TinyFamily) -> Layout:
        return cls(family.pictures, family.block)

    @property
    def arrays(self) -> dict[str, tuple[tuple[int, ...], type[np.generic]]]:
        """Names, shapes and types."""
        size = (self.block.rows, self.block.length)
        columns = {name: (size, kind) for name, (_, kind) in SHARED.items() if name != "tiles"}
        tiles = {name: ((most, *size[::-1], 3), np.uint8) for name, size, most in self.groups}
        return {**columns, **tiles}

    @property
    def groups(self) -> tuple[tuple[str, Size, int], ...]:
        """Name of the array, size of its tiles, and how many there is room for."""
        return tuple((f"tiles_{size[0]}x{size[1]}", size, most) for size, most in self.pictures.tiles.items())

    @property
    def features(self) -> int:
        """Rows of the tower's output that a block has room for."""
        return sum(most * self.pictures.tokens_of(size) for size, most in self.pictures.tiles.items())

    def first_row(self, size: Size) -> int:
        """The first row of the tower's output that belongs to tiles of a size.

        :raises ValueError: no tile has this size.
        """
        sizes = list(self.pictures.tiles)
        if size not in sizes:
            raise ValueError(f"A tile of {size[0]} x {size[1]} pixels; a block has {self.pictures.tiles}.")
        before = sizes[: sizes.index(size)]
        return sum(self.pictures.tiles[other] * self.pictures.tokens_of(other) for other in before)


def tiles_of(sample: Sample) -> Iterator[tuple[Size, npt.NDArray[np.uint8]]]:
    """Size and pixels of each tile, in order."""
    for media in sample.inputs:
        for group in media.groups:
            yield from (((tile.shape[1], tile.shape[0]), tile) for tile in group)


def counted(sample: Sample) -> dict[Size, int]:
    """How many tiles of each size a sample has."""
    found: dict[Size, int] = {}
    for size, _ in tiles_of(sample):
        found[size] = found.get(size, 0) + 1
    return found


class Packer:
    """Fills one block, first row with room first."""

    def __init__(self, layout: Layout, block: Block) -> None:
        self.layout, self.block = layout, block
        self.used, self.trees = [0] * layout.block.rows, [0] * layout.block.rows
        self.tiles: dict[Size, int] = dict.fromkeys(layout.pictures.tiles, 0)
        self.answers = 0
        for name in SHARED:
            if name != "tiles":
                block[name][...] = FILL.get(name, 0)

    def add(self, sample: Sample) -> bool:
        """Whether the sample found room; nothing is written where it did not."""
        longest = self.layout.block.length - len(sample)
        row = next((row for row, used in enumerate(self.used) if used <= longest), None)
        if row is None or not self.has_room(counted(sample)):
            return False
        features = self.write_tiles(sample)
        self.write(sample, features, row)
        return True

    def has_room(self, wanted: Mapping[Size, int]) -> bool:
        room = self.layout.pictures.tiles
        return all(self.tiles[size] + count <= room[size] for size, count in wanted.items())

    def write_tiles(self, sample: Sample) -> npt.NDArray[np.int64]:
        """Puts tiles where there is room; returns where in the block each row of the sample's features lies."""
        names = {size: name for name, size, _ in self.layout.groups}
        rows = [np.empty(0, np.int64)]
        for size, tile in tiles_of(sample):
            self.block[names[size]][self.tiles[size]] = tile
            tokens = self.layout.pictures.tokens_of(size)
            rows.append(self.layout.first_row(size) + self.tiles[size] * tokens + np.arange(tokens))
            self.tiles[size] += 1
        return np.concatenate(rows)

    def write(self, sample: Sample, features: npt.NDArray[np.int64], row: int) -> None:
        span = slice(self.used[row], self.used[row] + len(sample))
        for name, column in sample.columns.items():
            self.block[name][row, span] = column + (self.answers if name == "answers" else 0)
        own = sample.columns["features"]
        self.block["features"][row, span][own >= 0] = features[own[own >= 0]]
        self.trees[row] += 1
        self.block["trees"][row, span] = self.trees[row]
        self.used[row] = span.stop
        self.answers += sample.answers


class Filler:
    """Fills one block after the other from a stream of samples; what finds no room in one waits for the next."""

    def __init__(self, layout: Layout, stream: Iterator[Sample]) -> None:
        self.layout, self.stream = layout, stream
        self.waiting: list[Sample] = []

    def next_fitting(self) -> Sample:
        """The next sample; the few that are too large for any block are passed over.

        :raises ValueError: a tile has a size that no block has.
        """
        longest = self.layout.block.length
        return next(sample for sample in self.stream if len(sample) <= longest and self.fits(counted(sample)))

    def fits(self, wanted: Mapping[Size, int]) -> bool:
        for size in wanted:
            self.layout.first_row(size)
        return all(count <= self.layout.pictures.tiles[size] for size, count in wanted.items())

    def fill(self, block: Block) -> int:
        """Overwrites a block; returns how many samples it holds."""
        packer = Packer(self.layout, block)
        self.waiting = [sample for sample in self.waiting if not packer.add(sample)]
        while len(self.waiting) < ASIDE:
            sample = self.next_fitting()
            if not packer.add(sample):
                self.waiting.append(sample)
        return sum(packer.trees)


def empty(layout: Layout) -> Block:
    """A block with nothing in it."""
    return {name: np.full(shape, FILL.get(name, 0), kind) for name, (shape, kind) in layout.arrays.items()}
