"""Blocks of a family's training data, and the ones that training never sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training.families.description import TinyFamily
from training.families.packing import Filler, Layout, empty
from training.families.prompts import Prompter
from training.families.samples import fresh_samples, samples
from training.packing import Block
from training.pool import Pool, Supply


@dataclass(frozen=True)
class Stock(Supply):
    """How much data is made, of which family; ``folder`` holds its tokenizer and configuration."""

    family: TinyFamily


class FamilyPool(Pool):
    """Blocks made by worker processes from the family's own prompts."""

    def __init__(self, stock: Stock) -> None:
        self.stock = stock
        layout = Layout.of(stock.family)
        super().__init__(stock, layout.arrays, layout.features)

    def filler(self, worker: int) -> Filler:
        """Everything that a worker's blocks are filled with."""
        stream = samples(Prompter(self.stock.family, self.stock.folder), f"{self.stock.stream}/{worker}")
        return Filler(Layout.of(self.stock.family), stream)


def fresh_blocks(prompter: Prompter, stream: str) -> Iterator[Block]:
    """Endless blocks of a stream that training never sees: always the same, every sample about another subject."""
    layout = Layout.of(prompter.family)
    filler = Filler(layout, fresh_samples(prompter, stream))
    while True:
        block = empty(layout)
        filler.fill(block)
        yield block
