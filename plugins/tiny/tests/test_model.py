"""The trained model: official names, packed samples see only themselves, picture features land where they belong."""

from __future__ import annotations

from itertools import islice
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.feed import Batch, batches_of
from training.model import TinyModel, answer_loss, new_model, places, tree_mask
from training.packing import NO_LABEL, Filler, Tree, empty_block
from training.pool import fresh_samples
from training.samples import Sample
from training.tiles import TOKENS
from training.tokenizer import Encoder


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(1, 30), st.integers(0, 40), st.randoms(use_true_random=False))
def test_places_are_where_the_picture_tokens_are(rows: int, length: int, count: int, rng: Random) -> None:
    seen = rng.sample(range(count), rng.randint(0, min(count, rows * length)))
    positions = rng.sample(range(rows * length), len(seen))
    features = torch.full((rows, length), -1)
    for feature, position in zip(seen, positions, strict=True):
        features[position // length, position % length] = feature
    expected = dict(zip(seen, positions, strict=True))
    assert places(features, count).tolist() == [expected.get(feature, rows * length) for feature in range(count)]


def scattered(model: TinyModel, batch: Batch) -> Tensor:
    """Embeddings with features written one position after the other."""
    words = model.language_model.get_input_embeddings()(batch["tokens"]).clone()
    seen = model.tower(batch["tiles"]).flatten(0, 1)
    for row, column in torch.nonzero(batch["features"] >= 0).tolist():
        words[row, column] = seen[batch["features"][row, column]]
    return words


@torch.no_grad()
def test_features_are_embedded_as_a_plain_scatter_would(small_model: TinyModel, batch: Batch) -> None:
    embedded = small_model.embed(batch["tokens"], batch["features"], batch["tiles"])
    assert torch.equal(embedded, scattered(small_model, batch))


@torch.no_grad()
def test_without_tiles_there_are_only_words(small_model: TinyModel) -> None:
    tokens = torch.tensor([[5, 6, 7]])
    embedded = small_model.embed(tokens, torch.full_like(tokens, -1), torch.empty(0))
    assert torch.equal(embedded, small_model.language_model.get_input_embeddings()(tokens))


def test_gradients_reach_the_tower_and_leave_no_nan(small_model: TinyModel, batch: Batch) -> None:
    answer_loss(small_model(batch), batch["labels"]).backward()
    gradients = {name: p.grad for name, p in small_model.named_parameters()}
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients.values())
    patches = gradients["tower.vision_model.embeddings.patch_embedding.weight"]
    assert patches is not None
    assert patches.abs().max() > 0


@pytest.mark.parametrize(
    ("trees", "branches", "seen"),
    [
        ([1, 1, 1], [0, 0, 0], ["x..", "xx.", "xxx"]),
        ([1, 1, 1], [0, 1, 2], ["x..", "xx.", "x.x"]),
        ([1, 1, 2, 2], [0, 1, 0, 1], ["x...", "xx..", "..x.", "..xx"]),
        ([1, 1, 0, 0], [0, 0, 0, 0], ["x...", "xx..", "..x.", "..xx"]),
    ],
    ids=["causal", "branches are blind to each other", "samples are blind to each other", "padding sees itself"],
)
def test_who_sees_whom(trees: list[int], branches: list[int], seen: list[str]) -> None:
    mask = tree_mask(torch.tensor([trees]), torch.tensor([branches]), torch.float32)[0, 0]
    assert set(mask.unique().tolist()) <= {0.0, float("-inf")}
    assert ["".join("x" if value == 0 else "." for value in row) for row in mask.tolist()] == seen


def separate(tree: Tree, sample: Sample, number: int) -> Batch:
    """One branch with its beginning, alone in a row of its own length and without any tree."""
    chosen = np.isin(tree.columns["branches"], (0, number))
    alone = {name: torch.from_numpy(column[chosen]).long()[None] for name, column in tree.columns.items()}
    alone["branches"] = torch.zeros_like(alone["tokens"])
    alone["trees"] = torch.ones_like(alone["tokens"])
    alone["tiles"] = torch.from_numpy(np.concatenate(sample.pictures)) if sample.pictures else torch.empty(0)
    return alone


@torch.no_grad()
def test_a_packed_sample_gives_the_logits_of_separate_conversations(small_model: TinyModel, encoder: Encoder) -> None:
    block = empty_block()
    count = Filler(fresh_samples(encoder, "test")).fill(block)
    samples = list(islice(fresh_samples(encoder, "test"), count))
    (packed,) = batches_of([block], 1, torch.device("cpu"))
    logits = small_model(packed)
    learned = packed["labels"] != NO_LABEL
    numbers = packed["answers"][learned].unique().tolist()
    assert len(numbers) == sum(tree.answers for tree, _ in samples) > 60
    for answer in numbers[::4]:
        tree, sample, number = origin(samples, answer)
        alone = separate(tree, sample, branch_with(sample, number))
        mine = (alone["answers"] == number) & (alone["labels"] != NO_LABEL)
        found = logits[learned & (packed["answers"] == answer)]
        torch.testing.assert_close(found, small_model(alone)[mine], rtol=1e-4, atol=1e-4)


def origin(samples: list[tuple[Tree, Sample]], answer: int) -> tuple[Tree, Sample, int]:
    """The sample that an answer of the block belongs to, and which of its answers it is."""
    for tree, sample in samples:
        if answer < tree.answers:
            return tree, sample, answer
        answer -= tree.answers
    raise LookupError(answer)


def branch_with(sample: Sample, answer: int) -> int:
    """The branch that holds an answer of its sample."""
    return [number for number, branch in enumerate(sample.branches, 1) for _ in branch][answer]


def test_only_labels_count_in_the_loss() -> None:
    logits = torch.tensor([[[9.0, 0.0], [0.0, 9.0], [1.0, 1.0]]])
    labels = torch.tensor([[0, NO_LABEL, 1]])
    expected = -(torch.log_softmax(logits[0, 0], -1)[0] + torch.log_softmax(logits[0, 2], -1)[1]) / 2
    torch.testing.assert_close(answer_loss(logits, labels), expected)


def test_a_seed_always_gives_the_same_weights(small_config: dict[str, object]) -> None:
    one, same, other = (new_model(small_config, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_tile_gives_as_many_features_as_the_prompt_has_places(small_model: TinyModel) -> None:
    with torch.no_grad():
        features = small_model.tower(torch.zeros(3, 112, 112, 3, dtype=torch.uint8))
    assert features.shape == (3, TOKENS, small_model.language_model.config.hidden_size)
