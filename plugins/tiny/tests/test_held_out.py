"""Held-out questions: as many of each kind as asked for, always the same, with files that show what they are about."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from training.clips import DIRECTIONS, EVENTS, Clip
from training.conversations import random_content
from training.drawing import draw
from training.examples import FRAMES, PER_SECOND
from training.held_out import HeldOut, even, held_out_of, held_out_questions, write_media
from training.pairs import Pair
from training.phrases import KINDS
from training.scenes import Canvas, Scene
from vlmplug.clip import open_clip
from vlmplug.parts.frames import segment_middles

EACH = 6


@pytest.fixture(scope="module")
def questions() -> list[HeldOut]:
    return held_out_questions(EACH)


def test_there_are_as_many_of_each_kind(questions: list[HeldOut]) -> None:
    assert Counter(question.kind for question in questions) == dict.fromkeys(KINDS, EACH)


def test_they_are_always_the_same_and_more_only_adds(questions: list[HeldOut]) -> None:
    assert held_out_questions(EACH) == questions
    fewer = held_out_questions(2)
    assert fewer == [question for question in questions if question in fewer]


def test_no_content_is_asked_twice_about_the_same_kind(questions: list[HeldOut]) -> None:
    pairs = [(question.number, question.kind) for question in questions]
    assert len(set(pairs)) == len(pairs)
    assert {question.number for question in held_out_of(3)} == {3}


def test_a_follow_up_comes_after_a_first_question(questions: list[HeldOut]) -> None:
    for question in questions:
        assert question.answer == question.turns[-1].answer
        if question.kind == "follow-up":
            assert len(question.turns) == 2


@pytest.mark.parametrize("stream", ["training/0/0", "training/0/13", "training/1/0", "held out", "final"])
def test_neither_training_nor_its_own_checks_see_what_is_asked_here(stream: str) -> None:
    seen = {random_content(Random(f"{stream}/{number}")) for number in range(200)}
    asked = {question.content for number in range(200) for question in held_out_of(number)}
    assert asked & seen == {None}


def of_type(questions: list[HeldOut], content: type) -> list[HeldOut]:
    return [question for question in questions if isinstance(question.content, content)]


def test_pictures_are_written_as_drawn(questions: list[HeldOut], tmp_path: Path) -> None:
    for question in of_type(questions, Scene):
        media = write_media(question, tmp_path)
        (path,) = media.images
        assert (path.suffix, media.videos) == (".png", ())
        assert isinstance(question.content, Scene)
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(draw(question.content)))


def test_a_pair_is_written_in_its_order(questions: list[HeldOut], tmp_path: Path) -> None:
    for question in of_type(questions, Pair):
        paths = write_media(question, tmp_path).images
        assert isinstance(question.content, Pair)
        scenes = (question.content.first, question.content.second)
        for path, scene in zip(paths, scenes, strict=True):
            assert np.array_equal(np.asarray(Image.open(path)), np.asarray(draw(scene)))


def test_a_clip_is_a_video_that_looks_as_drawn(questions: list[HeldOut], tmp_path: Path) -> None:
    question = of_type(questions, Clip)[0]
    (path,) = write_media(question, tmp_path).videos
    clip = open_clip(path, "clip")
    assert isinstance(question.content, Clip)
    canvas = question.content.still.canvas
    assert (clip.frame_count, clip.fps) == (FRAMES, PER_SECOND)
    assert clip.size == (canvas.width + canvas.width % 2, canvas.height + canvas.height % 2)
    drawn = question.content.frames(FRAMES)
    for index, shown in zip(range(0, FRAMES, 5), clip.read(range(0, FRAMES, 5)), strict=True):
        frame = draw(drawn[index]).resize(shown.size)
        assert np.abs(np.asarray(shown, float) - np.asarray(frame, float)).mean() < 12


def test_the_frames_that_are_sampled_show_the_whole_event() -> None:
    """The host takes 8 of the 24 frames; they are within a frame of the moments that training shows."""
    taken = segment_middles(FRAMES, PER_SECOND, 8)
    moments = [(index + 0.5) / FRAMES for index in taken]
    trained = [(index + 0.5) / 8 for index in range(8)]
    assert max(abs(a - b) for a, b in zip(moments, trained, strict=True)) <= 1.0 / FRAMES
    clips = [q.content for n in range(400) for q in held_out_of(n) if isinstance(q.content, Clip)]
    assert {clip.event for clip in clips} == set(EVENTS)
    for clip in clips:
        first, last = clip.actor_at(moments[0]), clip.actor_at(moments[-1])
        if clip.event in ("appears", "disappears"):
            assert (first is None) != (last is None)
        elif clip.event == "turns":
            assert (first, last) == (clip.actor, clip.finish)
        elif clip.event in DIRECTIONS:
            assert first
            assert last
            assert abs(last.x - first.x) + abs(last.y - first.y) > 0.25


def test_small_talk_brings_no_files(questions: list[HeldOut], tmp_path: Path) -> None:
    for question in questions:
        if question.content is None:
            media = write_media(question, tmp_path)
            assert (media.images, media.videos) == ((), ())
    assert any(question.content is None for question in questions)


def test_what_is_there_is_not_written_again(questions: list[HeldOut], tmp_path: Path) -> None:
    question = of_type(questions, Scene)[0]
    (path,) = write_media(question, tmp_path).images
    path.write_bytes(b"kept")
    assert write_media(question, tmp_path).images == (path,)
    assert path.read_bytes() == b"kept"


def test_the_canvas_of_a_clip_is_made_even() -> None:
    assert even(Canvas(149, 112)) == Canvas(150, 112)
    assert even(Canvas(112, 149)) == Canvas(112, 150)
