"""A conversation that was saved can be asked again, and no file is overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlmplug.compat.swift.request import RequestDefaults
from vlmplug.conversation import ImagePart, Message, TextPart, assistant_message, system_message, user_message
from vlmplug.dialogue.transcript import save_transcript, transcript
from vlmplug.errors import ConversationError, OptionError
from vlmplug.rows.row_question import label_of, request_of_row
from vlmplug.sampling import Sampling

SEEN = Message("user", (ImagePart("a.png", name="a.png"), TextPart("See <image>.")))
SAID = assistant_message("Hello", (1, 2))
TURNS = (system_message("Be brief."), user_message("Hi"), SAID, SEEN, assistant_message("A."))


def test_turns_by_role_with_their_media() -> None:
    assert transcript(TURNS) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "See <image>.", "images": ["a.png"]},
        {"role": "assistant", "content": "A."},
    ]


def test_a_saved_row_asks_the_same_again(tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    save_transcript(file, TURNS, "internvl2-2b")
    save_transcript(file, TURNS, "internvl2-2b")
    first, second = map(json.loads, file.read_text("utf-8").splitlines())
    assert first == second
    request = request_of_row(first, RequestDefaults("internvl2"), Sampling())
    assert label_of(first) == "A."
    assert [turn.text for turn in request.conversation.messages] == ["Be brief.", "Hi", "Hello", "See <image>."]
    assert [part.source for part in request.conversation.media] == ["a.png"]
    assert request.options.placement == "beside"


def test_other_files_are_documents_and_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    save_transcript(file, TURNS, "internvl2-2b")
    assert json.loads(file.read_text("utf-8")) == {"model_type": "internvl2-2b", "messages": transcript(TURNS)}
    with pytest.raises(OptionError, match="exists"):
        save_transcript(file, TURNS, "internvl2-2b")


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ConversationError, match="Nothing has been said"):
        save_transcript(tmp_path / "a.json", (system_message("x"),), "t")
    with pytest.raises(OptionError, match="cannot be written"):
        save_transcript(tmp_path / "no" / "a.json", TURNS, "t")
