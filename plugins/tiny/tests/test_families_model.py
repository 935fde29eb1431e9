"""The packed model says what each conversation says alone, and learns it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

from plugins.tiny.tests.overfitting import learned, lesson, with_fields
from training.families.checkpoint import differences, export, write_files
from training.families.contents import asked
from training.families.description import TinyFamily
from training.families.evaluate import all_replies
from training.families.index import FAMILIES
from training.families.model import FamilyNetwork, new_network
from training.families.packing import Filler, Layout, Packer, empty
from training.families.prompts import Prompter, Subject
from training.families.samples import Sample, fresh_samples, tree
from training.feed import batches_of
from training.phrases import Question
from training.scenes import random_scene

#: Two layers in each half; the tower of XComposer2.5 is as deep as its weights say.
SHALLOW: dict[str, dict[str, Any]] = {
    "deepseek-vl-tiny": {"language_config": {"num_hidden_layers": 2}, "vision_config": {"params": {"layers": 2}}},
    "glm4v-tiny": {"num_layers": 2, "vision_config": {"num_hidden_layers": 2}},
    "minicpm-v-tiny": {"num_hidden_layers": 2, "vision_config": {"num_hidden_layers": 2}},
    "qwen-vl-tiny": {"num_hidden_layers": 2, "visual": {"layers": 2}},
    "xcomposer2_5-tiny": {"num_hidden_layers": 2},
}
#: Learned by heart: how many contents, with room for so many tiles of each size, in so many steps.
FEW = {
    "deepseek-vl-tiny": (2, 4, 45),
    "glm4v-tiny": (2, 3, 45),
    "minicpm-v-tiny": (2, 12, 45),
    "qwen-vl-tiny": (2, 3, 65),
    "xcomposer2_5-tiny": (2, 3, 45),
}


def shallow(name: str, tiles: int) -> TinyFamily:
    """The family with a small network, and room for so many tiles of the first size and two of each other."""
    family = with_fields(FAMILIES[name], SHALLOW[name])
    first, *others = family.pictures.tiles
    return replace(family, pictures=replace(family.pictures, tiles={first: tiles, **dict.fromkeys(others, 2)}))


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def prompter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prompter:
    family, folder = shallow(request.param, 12), tmp_path_factory.mktemp(request.param)
    write_files(family, folder)
    return Prompter(family, folder)


@pytest.fixture(scope="module")
def network(prompter: Prompter) -> FamilyNetwork:
    return new_network(prompter.family, prompter.model).eval()


def talks_about(prompter: Prompter, seed: int) -> tuple[Subject, list[tuple[Question, ...]]]:
    """The last of the canvases, which is cut into tiles where the family cuts at all."""
    content = random_scene(Random(seed), prompter.family.pictures.canvases[-seed])
    return prompter.subject(content), asked(Random(seed), prompter.family, content)[:3]


def packed(prompter: Prompter, samples: list[Sample]) -> dict[str, torch.Tensor]:
    layout = Layout.of(prompter.family)
    block = empty(layout)
    packer = Packer(layout, block)
    assert all(packer.add(sample) for sample in samples)
    (batch,) = batches_of([block], 1, torch.device("cpu"), layout.features)
    used = sum(used > 0 for used in packer.used)
    return {name: column if name.startswith("tiles") else column[:used] for name, column in batch.items()}


@torch.no_grad()
def alone(prompter: Prompter, network: FamilyNetwork, subject: Subject, talk: tuple[Question, ...]) -> torch.Tensor:
    """Logits of one conversation without any packing: the plugin's own order of things."""
    dialogue = prompter.dialogue(subject, talk)
    embeds = network.language.get_input_embeddings()(torch.tensor([dialogue.ids]))
    rows = [network.tower(torch.from_numpy(group)).flatten(0, 1) for media in subject.inputs for group in media.groups]
    seen, first, media = torch.cat(rows), 0, torch.zeros(1, len(dialogue.ids), dtype=torch.bool)
    for span in dialogue.spans:
        embeds[0, span.start : span.start + span.length] = seen[first : first + span.length]
        media[0, span.start : span.start + span.length] = True
        first += span.length
    network.show(media)
    logits: torch.Tensor = network.language(
        inputs_embeds=embeds, position_ids=torch.tensor([dialogue.positions])
    ).logits[0]
    return logits


@torch.no_grad()
def test_packing_changes_nothing(prompter: Prompter, network: FamilyNetwork) -> None:
    lessons = [talks_about(prompter, seed) for seed in (1, 2)]
    samples = [tree([prompter.dialogue(subject, talk) for talk in talks], subject.inputs) for subject, talks in lessons]
    batch = packed(prompter, samples)
    logits = network(batch)
    ends = np.cumsum([len(sample) for sample in samples])
    for number, (subject, talks) in enumerate(lessons):
        # In one row one behind the other, or in rows of their own.
        same_row = ends[-1] <= prompter.family.block.length
        row, start = (0, ends[number] - len(samples[number])) if same_row else (number, 0)
        own = logits[row, start : start + len(samples[number])]
        branches = torch.from_numpy(samples[number].columns["branches"])
        for place, talk in enumerate(talks, start=1):
            chosen = (branches == 0) | (branches == place)
            torch.testing.assert_close(own[chosen], alone(prompter, network, subject, talk), rtol=0, atol=2e-5)


def test_a_full_block_opens_the_next(prompter: Prompter) -> None:
    layout = Layout.of(prompter.family)
    filler = Filler(layout, fresh_samples(prompter, "test"))
    blocks = [empty(layout) for _ in range(2)]
    counts = [filler.fill(block) for block in blocks]
    assert sum(counts) > 2
    assert all((block["features"] < layout.features).all() for block in blocks)
    assert not np.array_equal(blocks[0]["tokens"], blocks[1]["tokens"])


def test_blocks_are_well_filled(prompter: Prompter) -> None:
    """Rows to two thirds; the tower looks at few places that no tile is in."""
    family = FAMILIES[prompter.family.name]
    layout = Layout.of(family)
    filler, block = Filler(layout, fresh_samples(prompter, "test")), empty(layout)
    for _ in range(2):
        filler.fill(block)
    assert (block["trees"] > 0).mean() > 0.66
    first = layout.groups[0][0]
    assert block[first].any(axis=(1, 2, 3)).mean() > 0.6


def test_a_tile_of_another_size_is_named(prompter: Prompter) -> None:
    with pytest.raises(ValueError, match="A tile of 28 x 28 pixels"):
        Layout.of(prompter.family).first_row((28, 28))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_what_is_learned_is_what_the_engine_says(name: str, tmp_path: Path) -> None:
    contents, tiles, steps = FEW[name]
    family = shallow(name, tiles)
    taught = lesson(family, tmp_path / "files", contents)
    losses = learned(taught, steps, tmp_path / "state")
    assert losses[-1] < 0.02 < 5 < losses[0]
    export(family, tmp_path / "state", tmp_path / "checkpoint")
    assert differences(family, tmp_path / "state", tmp_path / "checkpoint") == []
    given = list(all_replies(family, tmp_path / "checkpoint", taught.questions))
    assert [reply.text for reply in given] == [question.answer for question in taught.questions]
    assert len(given) > 3
