"""The turns of a request: query and history, or messages."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.compat.swift.dialogue import Dialogue, Placed, read_dialogue
from vlmplug.conversation import ImagePart, TextPart, VideoPart
from vlmplug.errors import ConversationError, MediaError

PART = {"type": "image", "image": "a"}


def user(content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": content}


def test_query_and_history() -> None:
    request = {"query": "Two.", "history": [["One.", "1"]], "system": "Count.", "images": "a", "videos": ["b"]}
    assert read_dialogue(request) == Dialogue("Two.", (("One.", "1"),), "Count.", ("a",), ("b",))


@pytest.mark.parametrize("history", [None, [], ()])
def test_no_history(history: Any) -> None:
    assert read_dialogue({"query": "One.", "history": history}).history == ()


@pytest.mark.parametrize(("system", "expected"), [(None, None), ("", "")])
def test_system_prompts(system: Any, expected: Any) -> None:
    assert read_dialogue({"query": "One.", "system": system}).system == expected


def test_the_history_with_the_answer() -> None:
    dialogue = read_dialogue({"query": "<img>a</img>Two.", "history": [("One.", "1")]})
    assert dialogue.answered("2") == [["One.", "1"], ["<img>a</img>Two.", "2"]]
    assert dialogue.unanswered() == [["One.", "1"]]


def test_messages_are_the_same() -> None:
    messages = [
        {"role": "system", "content": "Count."},
        {"role": "user", "content": "<image>One."},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": [{"type": "text", "text": "<image>"}, {"type": "text", "text": "Two."}]},
    ]
    found = read_dialogue({"messages": messages, "images": ["a", "b"]})
    assert found == Dialogue("<image>Two.", (("<image>One.", "1"),), "Count.", ("a", "b"), ())


@pytest.mark.parametrize(
    ("part", "medium", "text"),
    [
        ({"type": "image_url", "image_url": {"url": "a"}}, ImagePart, "<image>"),
        ({"type": "image_url", "image_url": "a"}, ImagePart, "<image>"),
        ({"type": "video_url", "video_url": {"url": "a"}}, VideoPart, "<video>"),
        ({"type": "video", "video": "a"}, VideoPart, "<video>"),
    ],
)
def test_parts_of_messages_stand_where_they_are(
    part: dict[str, Any], medium: type[ImagePart] | type[VideoPart], text: str
) -> None:
    found = read_dialogue({"messages": [user([part, {"type": "text", "text": "b"}])]})
    name = f"messages[0].content[0].{part['type']}"
    placed = Placed(((medium("a", name=name), TextPart("b")),), exact=True)
    assert found == Dialogue(f"{text}b", (), None, (), (), placed)
    assert found.answered("1") == [[f"{text}b", "1"]]


def test_a_message_may_bring_its_own_media() -> None:
    said = {"role": "assistant", "content": "1"}
    found = read_dialogue({"messages": [user("a"), said, {**user("b"), "images": ["x"], "videos": "y"}]})
    own = (ImagePart("x", name="messages[2].images[0]"), VideoPart("y", name="messages[2].videos[0]"), TextPart("b"))
    assert found.placed == Placed(((TextPart("a"),), own), exact=False)
    assert found.unanswered() == [["a", "1"]]


@pytest.mark.parametrize(
    "more",
    [
        {"response": "the label"},
        {"label": "yes"},
        {"truncation_strategy": "delete"},
        {"tools": None},
        {"tools": []},
        {"audios": []},
        {"id": 7},
        {"query_role": "user", "history_roles": [["user", "assistant"]]},
    ],
    ids=lambda more: next(iter(more)),
)
def test_keys_that_change_nothing(more: dict[str, Any]) -> None:
    assert read_dialogue({"query": "One.", **more}) == read_dialogue({"query": "One."})


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("Hello", "It is a str"),
        ({}, "There is no 'query'"),
        ({"images": ["a"]}, "There is no 'query'"),
        ({"query": 7}, "query is a int"),
        ({"query": "a", "image": "a"}, "There is no 'image'. Did you mean 'images'"),
        ({"query": "a", "histroy": [["a", "b"]]}, "Did you mean 'history'"),
        ({"query": "a", "history": "b"}, "history is a str"),
        ({"query": "a", "history": ["ab"]}, r"history\[0\] is no pair"),
        ({"query": "a", "history": [["a", "b", "c"]]}, r"history\[0\] is no pair"),
        ({"query": "a", "history": [["a", None]]}, r"history\[0\]\[1\] is a NoneType"),
        ({"query": "a", "system": 3}, "system is a int"),
        ({"query": "a", "tools": [{"name": "f"}]}, "'tools' cannot be had here. .*'system'"),
        ({"query": "a", "audios": ["a.wav"]}, "'audios' cannot be had"),
        ({"query": "a", "query_role": "tool"}, "query_role is 'tool'"),
        ({"query": "a", "history": [["a", "b"]], "history_roles": [["tool", "assistant"]]}, "history_roles"),
        ({"query": "a", "messages": [user("b")]}, "'query' stands beside 'messages'"),
        ({"messages": []}, "out of order"),
        ({"messages": [user("a"), user("b")]}, "out of order"),
        ({"messages": [user("a"), user("b", "assistant")]}, "out of order"),
        ({"messages": [user("a"), user("b", "system"), user("c")]}, "out of order"),
        ({"messages": 7}, "messages is a int"),
        ({"messages": [user("a", "tool")]}, r"messages\[0\] has the role 'tool'"),
        ({"messages": ["a"]}, r"messages\[0\] has no role"),
        ({"messages": [user("a", "system"), user("b")], "system": "c"}, "'system' stands beside a system message"),
        ({"messages": [user("a")], "system": 7}, "system is a int"),
        ({"messages": [user([PART], "system"), user("b")]}, "The system's message holds media"),
        ({"messages": [user("a"), user([PART], "assistant"), user("b")]}, "The assistant's message holds media"),
        ({"messages": [user([PART])], "images": ["b"]}, "images stands beside messages with media"),
        ({"messages": [{**user("a"), "videos": ["b"]}], "images": ["b"]}, "images stands beside messages with media"),
        ({"messages": [{**user([PART]), "images": ["b"]}]}, r"messages\[0\].images\[0\] stands beside parts"),
        ({"messages": [user([{"type": "audio"}])]}, r"messages\[0\].content\[0\] has the type 'audio'"),
        ({"messages": [user([{"type": "text"}])]}, r"content\[0\].text is a NoneType"),
        ({"messages": [user(3)]}, r"messages\[0\].content is a int"),
    ],
)
def test_requests_that_cannot_be_read(request_: Any, message: str) -> None:
    with pytest.raises(ConversationError, match=message):
        read_dialogue(request_)


@pytest.mark.parametrize("given", [None, "", " ", {"url": None}, {}])
def test_a_part_without_its_picture(given: Any) -> None:
    with pytest.raises(MediaError, match=r"messages\[0\].content\[0\].image_url is"):
        read_dialogue({"messages": [user([{"type": "image_url", "image_url": given}])]})
