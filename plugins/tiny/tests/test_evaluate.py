"""The measurement: what counts as right, how it is shown, and what is put on record."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from training.evaluate import MODEL_TYPE, PACKAGES, Reply, command_reply, options_of, record, scores, shown, spread
from training.held_out import HeldOut, held_out_questions
from training.phrases import KINDS, Question


def reply(kind: str, expected: str, said: str) -> Reply:
    return Reply(HeldOut(4, None, (Question(kind, "What is it?", expected),)), said)


REPLIES = (
    reply("shape", "It is a star.", "It is a star."),
    reply("shape", "It is a star.", "It is a star"),
    reply("shape", "It is a star.", "It is a cross."),
    reply("count", "There is one star.", "There is one star."),
)


@pytest.mark.parametrize(
    ("said", "right"),
    [("It is a star.", True), ("It is a star. ", False), ("it is a star.", False), ("", False), ("Star.", False)],
)
def test_an_answer_counts_letter_for_letter(said: str, right: bool) -> None:
    assert reply("shape", "It is a star.", said).right == right


def test_only_the_last_question_of_a_conversation_counts() -> None:
    turns = (Question("colour", "?", "It is red."), Question("follow-up", "?", "It is blue."))
    question = HeldOut(0, None, turns)
    assert (question.kind, question.answer) == ("follow-up", "It is blue.")
    assert Reply(question, "It is blue.").right


def test_scores_are_by_kind_in_the_order_of_kinds() -> None:
    measured = scores(REPLIES)
    assert list(measured) == ["shape", "count"]
    assert (measured["shape"].right, measured["shape"].total) == (1, 3)
    assert (measured["count"].right, measured["count"].total) == (1, 1)


def test_the_table_is_markdown() -> None:
    assert shown(scores(REPLIES)).splitlines()[2:] == ["| shape | 1 | 3 | 33.3 % |", "| count | 1 | 1 | 100.0 % |"]


def test_the_record_says_what_was_measured_on_what() -> None:
    made = json.loads(json.dumps(record(REPLIES, REPLIES[:1], 12.6)))
    assert made["kinds"] == {"shape": {"right": 1, "asked": 3}, "count": {"right": 1, "asked": 1}}
    assert made["infer"] == {"right": 1, "asked": 1}
    assert made["seconds"] == 13
    assert made["model_type"] == MODEL_TYPE
    assert date.fromisoformat(made["date"])
    assert made["machine"].keys() == {"processor", "cores", "python"}
    assert {"vlmplug", "vlmplug-tiny", "lmdeploy", "torch"} <= made["versions"].keys() <= set(PACKAGES)
    assert [mistake["said"] for mistake in made["mistakes"]] == ["It is a star", "It is a cross."]
    assert made["mistakes"][0] == {
        "kind": "shape",
        "seed": 4,
        "questions": ["What is it?"],
        "expected": "It is a star.",
        "said": "It is a star",
    }


@pytest.mark.parametrize("count", [0, 1, 5, 13])
def test_questions_for_the_command_are_of_kinds_far_apart(count: int) -> None:
    chosen = spread(held_out_questions(2), count)
    assert len({question.kind for question in chosen}) == len(chosen) == count
    assert all(len(question.turns) == 1 for question in chosen)


def test_five_questions_for_the_command_bring_every_medium() -> None:
    contents = {type(question.content).__name__ for question in spread(held_out_questions(2), 5)}
    assert contents >= {"Scene", "Pair", "Clip"}


def test_a_command_that_fails_ends_the_measurement(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("training.evaluate.MODEL_TYPE", "internvl2-none")
    with pytest.raises(SystemExit):
        command_reply(REPLIES[0].question, tmp_path)
    assert "internvl2-none" in capsys.readouterr().err


def test_two_hundred_of_each_kind_unless_told_otherwise() -> None:
    assert options_of([]).questions == 200
    assert options_of(["--questions", "3", "--infer", "2"]).infer == 2
    assert len(KINDS) == 14
