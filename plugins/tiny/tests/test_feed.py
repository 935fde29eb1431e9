"""Batches: blocks put together, renumbered, and their own for as long as somebody holds them."""

from __future__ import annotations

import os
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from training.feed import MOST_ANSWERS, REPORTING, Feed, batches_of, merged
from training.packing import LAYOUT, NO_LABEL, ROWS, TILES, Block, Filler
from training.pool import Pool, Supply, fresh_samples, held_out_blocks
from training.tiles import TOKENS
from training.tokenizer import Encoder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def blocks(encoder: Encoder) -> list[Block]:
    return held_out_blocks(encoder, 3)


def test_blocks_lie_behind_each_other(blocks: list[Block]) -> None:
    (batch,) = batches_of(blocks, 3, CPU)
    for name in ("tokens", "positions", "trees", "branches", "labels", "kinds", "tiles"):
        assert np.array_equal(batch[name].numpy(), np.concatenate([block[name] for block in blocks]))


def test_picture_tokens_point_at_the_tiles_of_their_block(blocks: list[Block]) -> None:
    (batch,) = batches_of(blocks, 3, CPU)
    for number, block in enumerate(blocks):
        rows = batch["features"][number * ROWS : (number + 1) * ROWS].numpy()
        shown = block["features"] >= 0
        assert np.array_equal(rows[shown], block["features"][shown] + number * TILES * TOKENS)
        assert (rows[~shown] == -1).all()


def test_answers_are_numbered_over_all_blocks(blocks: list[Block]) -> None:
    (batch,) = batches_of(blocks, 3, CPU)
    learned = (batch["labels"] != NO_LABEL).view(3, -1)
    answers = batch["answers"].view(3, -1)
    numbers = [set(answers[index][learned[index]].tolist()) for index in range(3)]
    assert len(set().union(*numbers)) == sum(map(len, numbers))
    assert max(block["answers"].max() for block in blocks) < MOST_ANSWERS


@pytest.mark.parametrize(("size", "rows"), [(1, [8, 8, 8]), (2, [16, 8]), (5, [24])])
def test_held_out_blocks_are_cut_into_batches(size: int, rows: list[int], blocks: list[Block]) -> None:
    assert [len(batch["tokens"]) for batch in batches_of(blocks, size, CPU)] == rows


def test_numbers_become_indices_and_tiles_stay_bytes(blocks: list[Block]) -> None:
    batch = merged({name: torch.from_numpy(array[None]) for name, array in blocks[0].items()})
    assert {name: column.dtype for name, column in batch.items()} == {
        name: torch.uint8 if name == "tiles" else torch.int64 for name in LAYOUT
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="training's processes are forked")
def test_a_batch_keeps_its_pictures_while_the_next_ones_are_loaded(checkpoint: Path, encoder: Encoder) -> None:
    pool, filler = Pool(Supply(checkpoint, "test", workers=1, blocks=4)), Filler(fresh_samples(encoder, "test"))
    for index in range(pool.supply.blocks):
        pool.renew(index, 0, filler)
    feed = Feed(pool, 2, CPU)
    batches = list(islice(feed, 4))
    time.sleep(0.2)  # the thread loads ahead meanwhile
    for batch in batches:
        assert batch.keys() == LAYOUT.keys() - set(REPORTING)
        for tokens, tiles in zip(batch["tokens"].view(2, ROWS, -1), batch["tiles"].view(2, TILES, -1), strict=True):
            (index,) = [n for n in range(4) if np.array_equal(tokens.numpy(), pool.arrays["tokens"][n])]
            assert np.array_equal(tiles.numpy(), pool.arrays["tiles"][index].reshape(TILES, -1))
