"""The turns of a request: query and history, or messages."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.compat.swift.dialogue import Dialogue, read_dialogue
from vlmplug.errors import ConversationError


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
        {"role": "user", "content": [{"type": "image", "image": "b"}, {"type": "text", "text": "Two."}]},
    ]
    found = read_dialogue({"messages": messages, "images": ["a"]})
    assert found == Dialogue("<image>Two.", (("<image>One.", "1"),), "Count.", ("a", "b"), ())


@pytest.mark.parametrize(
    ("part", "images", "videos", "text"),
    [
        ({"type": "image_url", "image_url": {"url": "a"}}, ("a",), (), "<image>"),
        ({"type": "image_url", "image_url": "a"}, ("a",), (), "<image>"),
        ({"type": "video_url", "video_url": {"url": "a"}}, (), ("a",), "<video>"),
        ({"type": "video", "video": "a"}, (), ("a",), "<video>"),
    ],
)
def test_parts_of_messages(part: dict[str, Any], images: Any, videos: Any, text: str) -> None:
    found = read_dialogue({"messages": [{"role": "user", "content": [part]}]})
    assert (found.images, found.videos, found.query) == (images, videos, text)


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


def user(content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": content}


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
        ({"messages": [user("a", "tool")]}, r"messages\[0\] has no known role"),
        ({"messages": ["a"]}, r"messages\[0\] has no known role"),
        ({"messages": [user([{"type": "audio"}])]}, r"messages\[0\].content\[0\] has the type 'audio'"),
        ({"messages": [user([{"type": "text"}])]}, r"content\[0\] is a NoneType"),
        ({"messages": [user(3)]}, r"messages\[0\] is a int"),
    ],
)
def test_requests_that_cannot_be_read(request_: Any, message: str) -> None:
    with pytest.raises(ConversationError, match=message):
        read_dialogue(request_)
