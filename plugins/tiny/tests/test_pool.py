"""The data: reproducible from the name of its stream, never the same for two streams, and handed on whole."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest

from training.packing import LAYOUT, Filler, empty_block
from training.pool import Pool, Supply, fresh_samples, held_out_blocks, samples
from training.samples import Sample
from training.tokenizer import Encoder

COUNT = 60
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="training's processes are forked")


def pictures(stream: list[Sample]) -> set[bytes]:
    return {tiles.tobytes() for sample in stream for tiles in sample.pictures}


def drawn(encoder: Encoder, stream: str) -> list[Sample]:
    return [sample for _, sample in islice(fresh_samples(encoder, stream), COUNT)]


@pytest.mark.parametrize("source", [samples, fresh_samples])
def test_a_stream_always_gives_the_same(source: object, encoder: Encoder) -> None:
    one, other = (list(islice(source(encoder, "test"), COUNT)) for _ in range(2))  # type: ignore[operator]
    for (tree, sample), (same_tree, same) in zip(one, other, strict=True):
        assert (sample.beginning, sample.branches) == (same.beginning, same.branches)
        assert all(np.array_equal(a, b) for a, b in zip(sample.pictures, same.pictures, strict=True))
        assert all(np.array_equal(column, same_tree.columns[name]) for name, column in tree.columns.items())


def test_no_two_streams_share_a_picture(encoder: Encoder) -> None:
    names = ("training/0/0", "training/0/1", "training/1/0", "held out", "final", "held out/evaluation")
    seen: set[bytes] = set()
    for name in names:
        found = pictures(drawn(encoder, name))
        assert len(found) > COUNT
        # Empty scenes without noise are all alike.
        shared = [picture for picture in found & seen if len(set(picture)) > 6]
        assert not shared
        seen |= found


def test_subjects_come_back_with_other_questions(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.pool.KEPT", 30)
    stream = [sample for _, sample in islice(samples(encoder, "test"), 200)]
    shown = [sample.pictures[0].tobytes() for sample in stream if sample.pictures]
    assert len(set(shown)) < 0.7 * len(shown)
    asked = {(shown_, sample.branches) for shown_, sample in zip(shown, filter(pictured, stream), strict=True)}
    assert len(asked) > 0.95 * len(shown)


def pictured(sample: Sample) -> bool:
    return bool(sample.pictures)


def test_held_out_blocks_are_always_the_same(encoder: Encoder) -> None:
    for one, same in zip(held_out_blocks(encoder, 2), held_out_blocks(encoder, 2), strict=True):
        assert all(np.array_equal(one[name], same[name]) for name in LAYOUT)


@pytest.fixture
def supply(checkpoint: Path) -> Supply:
    return Supply(checkpoint, "test", workers=1, blocks=2)


@forks
def test_workers_fill_the_pool_and_renew_what_was_taken(supply: Supply, encoder: Encoder) -> None:
    pool, taken = Pool(supply), empty_block()
    pool.start()
    try:
        pool.wait(1.0)
        pool.check()
        pool.take(Random(0), taken)
    finally:
        pool.stop()
    filler = Filler(samples(encoder, "test/0"))
    expected = [empty_block(), empty_block()]
    made = [filler.fill(block) for block in expected]
    assert int(pool.made[0]) >= sum(made)
    assert any(all(np.array_equal(taken[name], block[name]) for name in LAYOUT) for block in expected)


@forks
def test_a_block_that_nobody_took_is_preferred(supply: Supply, encoder: Encoder) -> None:
    pool, filler = Pool(supply), Filler(fresh_samples(encoder, "test"))
    first, second = empty_block(), empty_block()
    for index in range(supply.blocks):
        pool.renew(index, 0, filler)
    rng = Random(0)
    pool.take(rng, first)
    pool.take(rng, second)
    assert not np.array_equal(first["tokens"], second["tokens"])
    assert not pool.fresh.any()


@forks
def test_a_block_is_taken_again_rather_than_waited_for(supply: Supply, encoder: Encoder) -> None:
    pool, again = Pool(supply), empty_block()
    pool.renew(0, 0, Filler(fresh_samples(encoder, "test")))
    for _ in range(3):
        pool.take(Random(0), again)
    assert all(np.array_equal(again[name], pool.arrays[name][0]) for name in LAYOUT)


@forks
def test_a_block_that_is_being_written_is_not_taken(supply: Supply, encoder: Encoder) -> None:
    pool, taken = Pool(supply), empty_block()
    filler = Filler(fresh_samples(encoder, "test"))
    for index in range(supply.blocks):
        pool.renew(index, 0, filler)
    pool.fresh[0], pool.versions[0] = 0, pool.versions[0] + 1  # as while a worker renews what was taken
    rng = Random(0)
    for _ in range(12):
        pool.take(rng, taken)
        assert np.array_equal(taken["tokens"], pool.arrays["tokens"][1])


@forks
def test_a_worker_that_ended_is_reported(supply: Supply) -> None:
    with pytest.raises(RuntimeError, match="ended early"):
        Pool(supply).check()
