"""Packing samples of any length into rows of one length, so that every batch has the same shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from training.phrases import KINDS
from training.prompts import with_pictures
from training.samples import Sample, Turn
from training.tiles import TILE, TOKENS
from training.tokenizer import Encoder

#: Rows and tokens a row of one block, and the most tiles that its samples may have together.
ROWS, LENGTH, TILES = 8, 512, 64

#: Label of a position after which nothing is learned.
NO_LABEL = -100

Ints = npt.NDArray[np.int32]

#: Names, shapes and types of a block's arrays.
Layout: TypeAlias = "Mapping[str, tuple[tuple[int, ...], type[np.generic]]]"

#: Arrays of this model's blocks. ``trees`` and ``branches`` number the samples and their
#: branches within a row (branch 0: the shared beginning, tree 0: padding); ``features``: index of the
#: picture token among the block's, or -1; ``labels``: the next token where it belongs to an answer;
#: ``answers`` number those answers, ``kinds`` their kind.
LAYOUT: Layout = {
    **dict.fromkeys(
        ("tokens", "positions", "trees", "branches", "features", "labels", "answers", "kinds"),
        ((ROWS, LENGTH), np.int32),
    ),
    "tiles": ((TILES, TILE, TILE, 3), np.uint8),
}
#: What padding holds.
FILL = {"features": -1, "labels": NO_LABEL}

Block = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Tree:
    """A sample in numbers: columns of ``LAYOUT`` but ``trees``; ``features`` and ``answers`` count from 0."""

    columns: dict[str, Ints]
    answers: int

    def __len__(self) -> int:
        return len(self.columns["tokens"])


class TreeBuilder:
    """Writes a sample's beginning and branches, one token after the other."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.lists: dict[str, list[int]] = {name: [] for name in LAYOUT if name not in ("tiles", "trees")}
        self.answers = 0

    def write(self, ids: tuple[int, ...], position: int, branch: int) -> int:
        """Appends tokens with nothing to learn; returns the next position."""
        count = len(ids)
        lists = self.lists
        lists["tokens"] += ids
        lists["positions"] += range(position, position + count)
        lists["branches"] += [branch] * count
        for name, value in (("features", -1), ("labels", NO_LABEL), ("answers", 0), ("kinds", 0)):
            lists[name] += [value] * count
        return position + count

    def write_turn(self, turn: Turn, position: int, branch: int) -> int:
        """Appends a prompt and its answer; the answer's tokens are labels of the positions before them."""
        encoder, lists = self.encoder, self.lists
        answer = (*encoder.encode(turn.answer), encoder.end)
        end = self.write((*encoder.encode(turn.prompt), *answer), position, branch)
        span = slice(len(lists["tokens"]) - len(answer) - 1, len(lists["tokens"]) - 1)
        lists["labels"][span] = answer
        lists["answers"][span] = [self.answers] * len(answer)
        lists["kinds"][span] = [KINDS.index(turn.kind)] * len(answer)
        self.answers += 1
        return end

    def write_beginning(self, sample: Sample) -> int:
        text = with_pictures(sample.beginning, [len(tiles) * TOKENS for tiles in sample.pictures])
        length = self.write(self.encoder.encode(text), 0, 0)
        context = (i for i, token in enumerate(self.lists["tokens"]) if token == self.encoder.context)
        for feature, index in enumerate(context):
            self.lists["features"][index] = feature
        return length

    def finish(self) -> Tree:
        return Tree({name: np.array(values, np.int32) for name, values in self.lists.items()}, self.answers)


def tree_of(sample: Sample, encoder: Encoder) -> Tree:
    """The sample in numbers; every branch's positions go on from the shared beginning."""
    builder = TreeBuilder(encoder)
    start = builder.write_beginning(sample)
    for number, turns in enumerate(sample.branches, start=1):
        position = start
        for turn in turns:
            position = builder.write_turn(turn, position, number)
    return builder.finish()


def empty_block() -> Block:
    return {name: np.full(shape, FILL.get(name, 0), kind) for name, (shape, kind) in LAYOUT.items()}


class Packer:
    """Fills one block, first row with room first."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.used = [0] * ROWS
        self.trees = [0] * ROWS
        self.tiles = 0
        self.answers = 0
        for name, array in block.items():
            if name != "tiles":
                array[...] = FILL.get(name, 0)

    def room(self, length: int) -> int | None:
        return next((row for row, used in enumerate(self.used) if used + length <= LENGTH), None)

    def add(self, tree: Tree, sample: Sample) -> bool:
        """Whether the sample found room; nothing is written where it did not."""
        count = sum(map(len, sample.pictures))
        row = self.room(len(tree))
        if row is None or self.tiles + count > TILES:
            return False
        self.write(tree, row)
        for tiles in sample.pictures:
            self.block["tiles"][self.tiles : self.tiles + len(tiles)] = tiles
            self.tiles += len(tiles)
        return True

    def write(self, tree: Tree, row: int) -> None:
        start, end = self.used[row], self.used[row] + len(tree)
        shift = {"features": self.tiles * TOKENS, "answers": self.answers}
        for name, column in tree.columns.items():
            self.block[name][row, start:end] = np.where(column < 0, column, column + shift.get(name, 0))
        self.trees[row] += 1
        self.block["trees"][row, start:end] = self.trees[row]
        self.used[row] = end
        self.answers += tree.answers


class Filler:
    """Fills one block after the other from a stream of samples; what finds no room in one opens the next."""

    def __init__(self, stream: Iterator[tuple[Tree, Sample]]) -> None:
        self.stream = stream
        self.pending: tuple[Tree, Sample] | None = None

    def next_fitting(self) -> tuple[Tree, Sample]:
        """The next sample; the few that are too large for any block are passed over."""
        return next(
            (tree, sample)
            for tree, sample in self.stream
            if len(tree) <= LENGTH and sum(map(len, sample.pictures)) <= TILES
        )

    def fill(self, block: Block) -> int:
        """Overwrites a block; returns how many samples it holds."""
        packer = Packer(block)
        tree, sample = self.pending or self.next_fitting()
        while packer.add(tree, sample):
            tree, sample = self.next_fitting()
        self.pending = tree, sample
        return sum(packer.trees)
