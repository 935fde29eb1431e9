"""Blocks of training data, made by worker processes all the time and drawn at random by the trainer.

The blocks lie in shared memory. A worker renews those of its own blocks that have been taken; the trainer
takes a block that nobody took yet or, where it is faster than the workers, one that it had before: it never
waits.
"""

from __future__ import annotations

import math
import mmap
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from multiprocessing.context import ForkProcess
from pathlib import Path
from random import Random
from typing import Protocol

import numpy as np
import numpy.typing as npt

from training.packing import LAYOUT, TILES, Block, Filler, Layout, Tree, empty_block, tree_of
from training.samples import Sample, Subject, random_sample, random_subject
from training.tiles import TOKENS
from training.tokenizer import Encoder

#: Drawn subjects that a worker keeps, to ask more questions about them.
KEPT = 600
#: Blocks that the trainer looks at for one that is new.
LOOKS = 16
#: Samples made of each subject, on average.
USES = 3


class BlockFiller(Protocol):
    """Writes training data into blocks, other data each time."""

    def fill(self, block: Block) -> int:
        """Overwrites a block; returns how many samples it holds."""


@dataclass(frozen=True, slots=True)
class Supply:
    """How much data is made: ``blocks`` in the pool, by ``workers`` processes; ``stream`` names the seeds."""

    folder: Path
    stream: str
    workers: int
    blocks: int


def samples(encoder: Encoder, stream: str) -> Iterator[tuple[Tree, Sample]]:
    """Endless samples of one stream; subjects come back with fresh questions, ``USES`` times on average."""
    kept: list[Subject] = []
    for index in count():
        rng = Random(f"{stream}/{index}")
        if len(kept) < KEPT or rng.random() < 1 / USES:
            kept.append(random_subject(rng))
            subject = kept[-1]
            kept = kept[-KEPT:] if len(kept) > 2 * KEPT else kept
        else:
            subject = rng.choice(kept)
        sample = random_sample(rng, subject)
        yield tree_of(sample, encoder), sample


def fresh_samples(encoder: Encoder, stream: str) -> Iterator[tuple[Tree, Sample]]:
    """Endless samples of one stream, each about a subject of its own."""
    for index in count():
        rng = Random(f"{stream}/{index}")
        sample = random_sample(rng, random_subject(rng))
        yield tree_of(sample, encoder), sample


def held_out_blocks(encoder: Encoder, blocks: int) -> list[Block]:
    """Blocks that training never sees: always the same, from seeds of their own."""
    filler = Filler(fresh_samples(encoder, "held out"))
    made = [empty_block() for _ in range(blocks)]
    for block in made:
        filler.fill(block)
    return made


def shared_array(shape: tuple[int, ...], kind: type[np.generic]) -> npt.NDArray[np.generic]:
    """Zeros in memory that child processes share."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    return np.frombuffer(mmap.mmap(-1, size), kind).reshape(shape)


def shared_counts(length: int) -> npt.NDArray[np.int64]:
    return shared_array((length,), np.int64).view(np.int64)


class Pool:
    """The blocks and their makers.

    ``versions`` counts each block's writings: odd while it is written, 0 before; ``fresh``: not taken since.

    :param layout: names, shapes and types of a block's arrays. :param features: picture tokens it has room for.
    """

    def __init__(self, supply: Supply, layout: Layout = LAYOUT, features: int = TILES * TOKENS) -> None:
        self.supply, self.layout, self.features = supply, layout, features
        self.arrays = {name: shared_array((supply.blocks, *shape), kind) for name, (shape, kind) in layout.items()}
        self.versions = shared_counts(supply.blocks)
        self.fresh = shared_counts(supply.blocks)
        self.made = shared_counts(supply.workers)
        fork = multiprocessing.get_context("fork").Process
        self.workers: list[ForkProcess] = [
            fork(target=self.work, args=(n,), daemon=True) for n in range(supply.workers)
        ]

    def start(self) -> None:
        """Starts the workers; must come before anything touches the GPU, which does not survive a fork."""
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        for worker in self.workers:
            worker.terminate()
            worker.join()

    def work(self, worker: int) -> None:
        """A worker's endless loop over its own blocks; ends with the trainer."""
        parent = os.getppid()
        filler = self.filler(worker)
        while os.getppid() == parent:
            for index in range(worker, self.supply.blocks, self.supply.workers):
                if not self.fresh[index]:
                    self.renew(index, worker, filler)
            time.sleep(0.001)

    def filler(self, worker: int) -> BlockFiller:
        """Everything that a worker's blocks are filled with."""
        return Filler(samples(Encoder(self.supply.folder), f"{self.supply.stream}/{worker}"))

    def renew(self, index: int, worker: int, filler: BlockFiller) -> None:
        self.versions[index] += 1
        self.made[worker] += filler.fill({name: array[index] for name, array in self.arrays.items()})
        self.versions[index] += 1
        self.fresh[index] = 1

    def wait(self, share: float) -> None:
        """Returns once this share of the blocks has been written."""
        while np.count_nonzero(self.versions >= 2) < share * self.supply.blocks:
            self.check()
            time.sleep(0.05)

    def check(self) -> None:
        """:raises RuntimeError: a worker ended."""
        dead = [worker.name for worker in self.workers if not worker.is_alive()]
        if dead:
            raise RuntimeError(f"Workers ended early: {', '.join(dead)}; their messages are above.")

    def take(self, rng: Random, into: Block) -> None:
        """Copies a random finished block, a new one where a few looks find one."""
        while True:
            looks = [rng.randrange(self.supply.blocks) for _ in range(LOOKS)]
            index = next((look for look in looks if self.fresh[look]), looks[0])
            version = self.versions[index]
            if version < 2 or version % 2:
                continue
            for name, array in self.arrays.items():
                into[name][...] = array[index]
            if self.versions[index] == version:
                self.fresh[index] = 0
                return
