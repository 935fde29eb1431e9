"""Packing: rows never overflow, padding teaches nothing, and what was written can be read back."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest

from training.packing import LAYOUT, LENGTH, NO_LABEL, ROWS, TILES, Filler, Packer, Tree, empty_block, tree_of
from training.phrases import KINDS
from training.pool import fresh_samples
from training.prompts import with_pictures
from training.samples import Sample, Turn
from training.tiles import TILE, TOKENS
from training.tokenizer import Encoder

USER = "<|im_start|>user\n"
ASSISTANT = "<|im_end|><|im_start|>assistant\n"


def tiles(count: int, value: int = 0) -> np.ndarray:
    return np.full((count, TILE, TILE, 3), value, np.uint8)


def turn(question: str, answer: str, kind: str = "shape", lead: str = "\n") -> Turn:
    return Turn(lead + question + ASSISTANT, answer, kind)


TWO_BRANCHES = Sample(
    (tiles(3),),
    "<|im_start|>system\n<|im_end|>" + USER + "<image>",
    (
        (turn("What is this?", "A red star.", "shape"),),
        (turn("How many?", "One.", "count"), turn("Where is it?", "It is at the top.", "follow-up", USER)),
    ),
)


def columns_of_branch(tree: Tree, number: int) -> dict[str, np.ndarray]:
    """The shared beginning and one branch of a tree, as a conversation of its own."""
    chosen = np.isin(tree.columns["branches"], (0, number))
    return {name: column[chosen] for name, column in tree.columns.items()}


@pytest.mark.parametrize("number", [1, 2])
def test_a_branch_reads_like_a_conversation_of_its_own(number: int, encoder: Encoder) -> None:
    columns = columns_of_branch(tree_of(TWO_BRANCHES, encoder), number)
    said = "".join(turn.prompt + turn.answer + "<|im_end|>" for turn in TWO_BRANCHES.branches[number - 1])
    text = with_pictures(TWO_BRANCHES.beginning + said, [3 * TOKENS])
    assert tuple(columns["tokens"]) == encoder.encode(text)
    assert columns["positions"].tolist() == list(range(len(columns["tokens"])))


def test_only_the_answers_are_learned_each_token_one_place_before_it(encoder: Encoder) -> None:
    columns = tree_of(TWO_BRANCHES, encoder).columns
    learned = np.flatnonzero(columns["labels"] != NO_LABEL)
    assert (columns["labels"][learned] == columns["tokens"][learned + 1]).all()
    turns = [turn for branch in TWO_BRANCHES.branches for turn in branch]
    for number, turn_ in enumerate(turns):
        mine = learned[columns["answers"][learned] == number]
        assert encoder.decode(columns["labels"][mine].tolist()) == turn_.answer + "<|im_end|>"
        assert {KINDS[kind] for kind in columns["kinds"][mine]} == {turn_.kind}


def test_picture_tokens_are_numbered_from_zero(encoder: Encoder) -> None:
    columns = tree_of(TWO_BRANCHES, encoder).columns
    at_pictures = columns["tokens"] == encoder.context
    assert columns["features"][at_pictures].tolist() == list(range(3 * TOKENS))
    assert (columns["features"][~at_pictures] == -1).all()


def test_an_empty_block_teaches_nothing() -> None:
    block = empty_block()
    assert {name: (array.shape, array.dtype.type) for name, array in block.items()} == LAYOUT
    assert (block["labels"] == NO_LABEL).all()
    assert (block["features"] == -1).all()
    assert not block["trees"].any()


def sample_of_size(length: int, pictures: int = 0) -> tuple[Tree, Sample]:
    """A sample of so many tokens, and so many tiles that are as bright as the sample is long."""
    names = [name for name in LAYOUT if name not in ("tiles", "trees")]
    columns = {name: np.full(length, 0, np.int32) for name in names}
    columns["features"] = np.array([0] * min(pictures, 1) + [-1] * (length - min(pictures, 1)), np.int32)
    return Tree(columns, 1), Sample((tiles(pictures, length % 256),) if pictures else (), "", ())


@pytest.mark.parametrize(
    ("sizes", "fit"),
    [
        ([(LENGTH, 0)], [True]),
        ([(LENGTH + 1, 0)], [False]),
        ([(LENGTH - 10, 0), (10, 0), (LENGTH, 0)], [True, True, True]),
        ([(LENGTH, 0)] * (ROWS + 1), [True] * ROWS + [False]),
        ([(LENGTH // 2 + 1, 0)] * (ROWS + 1), [True] * ROWS + [False]),
        ([(10, TILES)], [True]),
        ([(10, TILES + 1)], [False]),
        ([(10, TILES - 1), (10, 2), (10, 1), (10, 0)], [True, False, True, True]),
    ],
)
def test_what_finds_no_room_is_refused_and_leaves_no_trace(sizes: list[tuple[int, int]], fit: list[bool]) -> None:
    packer = Packer(empty_block())
    for (length, pictures), expected in zip(sizes, fit, strict=True):
        before = {name: array.copy() for name, array in packer.block.items()}
        assert packer.add(*sample_of_size(length, pictures)) == expected
        changed = any(not np.array_equal(before[name], array) for name, array in packer.block.items())
        assert changed == expected
    lengths = [length for (length, _), fitted in zip(sizes, fit, strict=True) if fitted]
    assert np.count_nonzero(packer.block["trees"]) == sum(lengths) == sum(packer.used)


def test_picture_tokens_and_answers_are_renumbered_over_the_block() -> None:
    packer = Packer(empty_block())
    for length, pictures in ((20, 2), (30, 3)):
        packer.add(*sample_of_size(length, pictures))
    block = packer.block
    assert block["features"][0, 0] == 0
    assert block["features"][0, 20] == 2 * TOKENS
    assert (block["features"][0, 21:] == -1).all()
    assert (block["answers"][0, :20] == 0).all()
    assert (block["answers"][0, 20:50] == 1).all()
    assert [int(tile.max()) for tile in block["tiles"][:6]] == [20, 20, 30, 30, 30, 0]


def test_a_filler_uses_every_sample_once_and_fills_blocks_well(encoder: Encoder) -> None:
    expected = [tree for tree, _ in islice(fresh_samples(encoder, "test"), 80)]
    filler, blocks = Filler(fresh_samples(encoder, "test")), [empty_block(), empty_block()]
    made = [filler.fill(block) for block in blocks]
    packed = np.concatenate([block["tokens"][block["trees"] > 0] for block in blocks])
    wanted = np.concatenate([tree.columns["tokens"] for tree in expected[: sum(made)]])
    # Rows with room are filled later on, so tokens come in another order.
    assert np.array_equal(np.sort(packed), np.sort(wanted))
    tokens = [np.count_nonzero(block["trees"]) / (ROWS * LENGTH) for block in blocks]
    pictures = [(block["features"].max() + 1) / (TILES * TOKENS) for block in blocks]
    assert all(max(both) > 0.7 for both in zip(tokens, pictures, strict=True))


def test_trees_lie_side_by_side_in_a_row_with_padding_behind(encoder: Encoder) -> None:
    block = empty_block()
    Filler(fresh_samples(encoder, "test")).fill(block)
    for row in block["trees"]:
        used = np.count_nonzero(row)
        assert (row[used:] == 0).all()
        assert all(0 <= after - before <= 1 for before, after in pairwise(row[:used].tolist()))


def test_refilling_a_block_forgets_what_it_held(encoder: Encoder) -> None:
    once, again = empty_block(), empty_block()
    Filler(fresh_samples(encoder, "other")).fill(again)
    for block in (once, again):
        Filler(fresh_samples(encoder, "test")).fill(block)
    for name in LAYOUT:
        if name != "tiles":  # tiles that no sample refers to may stay
            assert np.array_equal(once[name], again[name])


def test_a_sample_too_large_for_any_block_is_passed_over() -> None:
    stream = iter([sample_of_size(LENGTH + 1), sample_of_size(7), *[sample_of_size(LENGTH)] * (ROWS + 1)])
    block = empty_block()
    assert Filler(stream).fill(block) == ROWS
    assert np.count_nonzero(block["trees"]) == 7 + LENGTH * (ROWS - 1)
