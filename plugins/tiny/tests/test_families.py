"""Each family's description: official files, its own prompts, weights that its plugin takes, within the limits."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from training.clips import EVENTS, PER_SECOND, random_clip
from training.conversations import Content
from training.export import MOST_BYTES, WEIGHTS
from training.families.checkpoint import fingerprint, write_files
from training.families.contents import ABOUT_CLIPS, asked, kinds, random_content, shown
from training.families.description import TinyFamily
from training.families.held_out import held_out_questions
from training.families.index import FAMILIES
from training.families.model import new_network, official_weights
from training.families.prompts import Dialogue, Prompter
from training.families.recordings import Recording, recorded_clip
from training.families.samples import Sample, fresh_samples, tree
from training.packing import NO_LABEL
from training.phrases import KINDS
from training.scenes import Canvas, Scene, random_scene
from training.small_talk import NAME
from vlmplug.engine.weights import check_weights
from vlmplug.parts.frames import each_second

NAMES = sorted(FAMILIES)


@pytest.fixture(scope="module", params=NAMES)
def family(request: pytest.FixtureRequest) -> TinyFamily:
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def prompter(family: TinyFamily, tmp_path_factory: pytest.TempPathFactory) -> Prompter:
    folder = tmp_path_factory.mktemp(family.name)
    write_files(family, folder)
    return Prompter(family, folder)


@pytest.fixture(scope="module")
def drawn(prompter: Prompter) -> list[Sample]:
    return list(islice(fresh_samples(prompter, "test"), 40))


def scene(family: TinyFamily) -> Content:
    return random_scene(Random(3), family.pictures.canvases[0])


def dialogues(prompter: Prompter, count: int = 3) -> list[Dialogue]:
    content = scene(prompter.family)
    talks = asked(Random(5), prompter.family, content)[:count]
    return [prompter.dialogue(prompter.subject(content), talk) for talk in talks]


def test_the_files_are_always_the_same(prompter: Prompter, tmp_path: Path) -> None:
    write_files(prompter.family, tmp_path)
    assert fingerprint(tmp_path) == fingerprint(prompter.model.folder)


def test_every_answer_is_read_back(prompter: Prompter) -> None:
    rng, model = Random(1), prompter.model
    for talk in (talk for _ in range(20) for talk in asked(rng, prompter.family, random_content(rng, prompter.family))):
        for turn in talk:
            text = model.tokenizer.decode(prompter.answer_ids(turn.answer))
            assert text.removeprefix(model.answer_lead) == turn.answer


def test_answers_end_with_an_id_that_stops_the_engine(prompter: Prompter) -> None:
    assert prompter.stop in prompter.model.stop_ids
    for dialogue in dialogues(prompter):
        for answer in dialogue.answers:
            assert answer.ids[-1] == prompter.stop == dialogue.ids[answer.start + len(answer.ids) - 1]


def test_a_later_turn_continues_what_was_said(prompter: Prompter) -> None:
    content = scene(prompter.family)
    turns = [talk[0] for talk in asked(Random(7), prompter.family, content)[:3]]
    subject = prompter.subject(content)
    whole = prompter.dialogue(subject, turns)
    assert len(whole.answers) == 3
    for count in (1, 2):
        part = prompter.dialogue(subject, turns[:count])
        assert whole.ids[: len(part.ids)] == part.ids
        assert whole.positions[: len(part.ids)] == part.positions


def test_positions_are_those_of_the_family(prompter: Prompter) -> None:
    (dialogue,) = dialogues(prompter, 1)
    (span, *_) = dialogue.spans
    steps = np.diff(dialogue.positions)
    of_picture = dialogue.positions[span.start + span.length] - dialogue.positions[span.start]
    if prompter.model.own_positions:
        assert (of_picture, span.length) == (3, 18)
    else:
        assert (steps == 1).all()


def test_a_tree_holds_its_conversations(prompter: Prompter) -> None:
    given = dialogues(prompter)
    made = tree(given, prompter.subject(scene(prompter.family)).inputs)
    for number, dialogue in enumerate(given, start=1):
        own = np.isin(made.columns["branches"], (0, number))
        assert tuple(made.columns["tokens"][own]) == dialogue.ids
        assert tuple(made.columns["positions"][own]) == dialogue.positions
        labels = made.columns["labels"][own]
        for answer in dialogue.answers:
            assert tuple(labels[answer.start - 1 : answer.start - 1 + len(answer.ids)]) == answer.ids
        assert np.count_nonzero(labels != NO_LABEL) == sum(len(answer.ids) for answer in dialogue.answers)


def test_nothing_is_learned_in_what_conversations_share(drawn: list[Sample]) -> None:
    for sample in drawn:
        shared = sample.columns["branches"] == 0
        assert (sample.columns["labels"][shared] == NO_LABEL).all()
        assert (sample.columns["features"][~shared] < 0).all()


def test_every_row_of_the_tower_is_read_once(drawn: list[Sample]) -> None:
    for sample in drawn:
        features = sample.columns["features"]
        assert list(features[features >= 0]) == list(range(sum(media.tokens for media in sample.inputs)))


def test_conversations_that_show_pictures_elsewhere_are_refused(prompter: Prompter) -> None:
    content = scene(prompter.family)
    subject, talk = prompter.subject(content), asked(Random(5), prompter.family, content)[0]
    with_system = prompter.dialogue(subject, talk, "Answer briefly.", "inline")
    with pytest.raises(ValueError, match="different places"):
        tree([prompter.dialogue(subject, talk), with_system], subject.inputs)


def test_tiles_have_the_sizes_that_a_block_has_room_for(family: TinyFamily, drawn: list[Sample]) -> None:
    sizes = {size for sample in drawn for media in sample.inputs for size in media.sizes}
    assert sizes <= set(family.pictures.tiles)
    for sample in drawn:
        for media in sample.inputs:
            assert media.tokens == sum(map(family.pictures.tokens_of, media.sizes))


def test_every_canvas_gives_known_tiles(family: TinyFamily, prompter: Prompter) -> None:
    seen = set()
    for canvas in set(family.pictures.canvases):
        (media,) = prompter.subject(random_scene(Random(1), canvas)).inputs
        seen |= set(media.sizes)
    for recording in family.pictures.recordings:
        for media in prompter.subject(recorded_clip(Random(1), recording)).inputs:
            seen |= set(media.sizes)
    assert seen == set(family.pictures.tiles)


def test_samples_fit_into_a_row(family: TinyFamily, drawn: list[Sample]) -> None:
    assert sum(len(sample) <= family.block.length for sample in drawn) > 0.95 * len(drawn)


def test_only_families_with_clips_are_asked_about_them(family: TinyFamily) -> None:
    asks = bool(family.pictures.recordings)
    assert set(kinds(family)) == set(KINDS) - (set() if asks else set(ABOUT_CLIPS))
    contents = [random_content(Random(number), family) for number in range(200)]
    found = {turn.kind for content in contents for talk in asked(Random(2), family, content) for turn in talk}
    assert found == set(kinds(family))


RECORDINGS = {recording for family in FAMILIES.values() for recording in family.pictures.recordings}


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_frames_are_those_of_a_recorded_clip(recording: Recording) -> None:
    clip = recorded_clip(Random(4), recording)
    frames = clip.frames(recording.frames)
    chosen = [frames[number] for number in each_second(recording.frames, PER_SECOND, 64)]
    assert [frame.items for frame in shown(clip)] == [frame.items for frame in chosen]


def looks(scene: Scene) -> list[tuple[object, ...]]:
    return [(item.name, round(item.x, 6), round(item.y, 6), round(item.size, 6)) for item in scene.items]


@pytest.mark.parametrize("recording", RECORDINGS, ids=str)
def test_what_happens_in_a_clip_is_seen(recording: Recording) -> None:
    clips = [recorded_clip(Random(number), recording) for number in range(80)]
    assert {clip.event for clip in clips} == set(EVENTS)
    for clip in clips:
        first, *_, last = map(looks, shown(clip))
        assert (first == last) == (clip.event == "nothing")


def test_a_clip_that_is_not_recorded_is_not_shown() -> None:
    with pytest.raises(ValueError, match="recorded"):
        shown(random_clip(Random(1), Canvas(112, 112)))


def test_the_model_says_its_own_name(family: TinyFamily) -> None:
    answers = {turn.answer for number in range(60) for talk in asked(Random(number), family, None) for turn in talk}
    assert any(family.name in answer for answer in answers)
    assert family.talk.abilities in answers
    assert not any(NAME in answer for answer in answers)


def test_held_out_questions_are_many_of_each_kind(family: TinyFamily) -> None:
    found = held_out_questions(family, 4)
    assert {kind: sum(question.kind == kind for question in found) for kind in KINDS if kind in kinds(family)} == (
        dict.fromkeys(kinds(family), 4)
    )
    assert held_out_questions(family, 4) == found


@pytest.fixture(scope="module")
def checkpoint(prompter: Prompter) -> Mapping[str, torch.Tensor]:
    weights = official_weights(prompter.family, new_network(prompter.family, prompter.model))
    save_file(weights, prompter.model.folder / WEIGHTS, {"format": "pt"})
    return weights


def test_the_plugin_takes_the_weights(prompter: Prompter, checkpoint: Mapping[str, torch.Tensor]) -> None:
    check_weights(prompter.model)
    assert {tensor.dtype for tensor in checkpoint.values()} == {torch.bfloat16}


def test_the_checkpoint_stays_within_the_limit(prompter: Prompter, checkpoint: Mapping[str, torch.Tensor]) -> None:
    size = sum(file.stat().st_size for file in prompter.model.folder.iterdir())
    assert 0.85 * MOST_BYTES < size <= MOST_BYTES


def test_random_weights_are_those_of_the_seed(prompter: Prompter) -> None:
    one, same, other = (new_network(prompter.family, prompter.model, seed) for seed in (0, 0, 1))
    for (name, first), second, third in zip(one.named_parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(first, second), name
        # Biases and the weights of norms begin at nothing and at one; positions in a resampler are sines at first.
        sines = name.endswith(("attn_pool.pos_embed", "resampler.query"))
        assert first.ndim < 2 or torch.equal(first, third) == sines, name


def test_other_files_are_another_fingerprint(prompter: Prompter, tmp_path: Path) -> None:
    write_files(prompter.family, tmp_path)
    with (tmp_path / "config.json").open("a") as file:
        file.write("\n")
    assert fingerprint(tmp_path) != fingerprint(prompter.model.folder)
