"""Conversations and samples: about what is shown, in the official prompt, pictures first or last."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest

from training.clips import Clip
from training.conversations import conversations, random_content
from training.pairs import Pair
from training.phrases import KINDS
from training.prompts import SYSTEM, with_pictures
from training.samples import SYSTEMS, Sample, random_sample, random_subject
from training.scenes import Scene

KINDS_OF = {
    Scene: {"shape", "colour", "count", "existence", "position", "relation", "description"},
    Pair: {"difference", "comparison"},
    Clip: {"event", "clip detail"},
    type(None): set[str](),
}
TALK = {"identity", "chat"}


def samples(count: int = 300) -> list[Sample]:
    rngs = (Random(f"test/{number}") for number in range(count))
    return [random_sample(rng, random_subject(rng)) for rng in rngs]


def test_only_what_is_shown_is_asked_about() -> None:
    for number in range(300):
        rng = Random(f"test/{number}")
        content = random_content(rng)
        for turns in conversations(rng, content):
            first, *later = [turn.kind for turn in turns]
            assert first in KINDS_OF[type(content)] | TALK
            assert set(later) <= {"follow-up"} | (TALK if content is None else set())


def test_everything_is_asked_about_in_proportion() -> None:
    contents = Counter(type(random_content(Random(f"test/{number}"))) for number in range(1000))
    shares = {kind: contents[kind] / 1000 for kind in KINDS_OF}
    assert shares == pytest.approx({Scene: 0.58, Pair: 0.25, Clip: 0.14, type(None): 0.03}, abs=0.05)
    kinds = {turn.kind for sample in samples() for branch in sample.branches for turn in branch}
    assert kinds == set(KINDS)


def test_every_branch_is_an_official_prompt() -> None:
    # Source: `conversation.py` of OpenGVLab/InternVL, template "Hermes-2": nothing after the separator.
    turn = r"<\|im_start\|>user\n[^|]+<\|im_end\|><\|im_start\|>assistant\n[^|]+<\|im_end\|>"
    whole = re.compile(rf"<\|im_start\|>system\n[^|]*<\|im_end\|>(?:{turn})+")
    for sample in samples():
        for branch in sample.branches:
            text = sample.beginning + "".join(turn.prompt + turn.answer + "<|im_end|>" for turn in branch)
            assert whole.fullmatch(text)
            assert text.count("<image>") == len(sample.pictures)


def test_the_official_system_text_stands_nine_times_of_ten() -> None:
    texts = [re.match(r"<\|im_start\|>system\n([^<]*)", sample.beginning) for sample in samples(600)]
    counts = Counter(match.group(1) for match in texts if match)
    assert counts.keys() == set(SYSTEMS)
    assert counts[SYSTEM] / 600 == pytest.approx(0.9, abs=0.04)


LEADS = {
    1: {"<image>\n", "<image>"},
    2: {"<image>\n<image>\n", "<image><image>", "Image-1: <image>\nImage-2: <image>\n"},
    8: {"".join(f"Frame{number}: <image>\n" for number in range(1, 9))},
}


def test_pictures_stand_where_the_official_code_puts_them() -> None:
    seen: dict[int, set[str]] = {count: set() for count in LEADS}
    asked_first = 0
    for sample in samples():
        user = sample.beginning.partition("<|im_start|>user\n")[2]
        if not sample.pictures:
            assert not user
        elif user.startswith(("<image>", "Image-1: ", "Frame1: ")):
            newline = "\n" if sample.branches[0][0].prompt.startswith("\n") else ""
            seen[len(sample.pictures)].add(user + newline)
        else:
            asked_first += 1
            assert re.fullmatch(r"[^<]+\n<image>", user)
    assert seen == LEADS
    assert 5 < asked_first < 40


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("no picture", [], "no picture"),
        ("<image>\n?", [2], "<img><IMG_CONTEXT><IMG_CONTEXT></img>\n?"),
        ("<image><image>", [1, 0], "<img><IMG_CONTEXT></img><img></img>"),
    ],
)
def test_tags_become_blocks(text: str, tokens: list[int], expected: str) -> None:
    assert with_pictures(text, tokens) == expected


@pytest.mark.parametrize(("text", "tokens"), [("<image>", []), ("?", [1]), ("<image>", [1, 1])])
def test_tags_and_pictures_must_agree(text: str, tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="image tags for"):
        with_pictures(text, tokens)
