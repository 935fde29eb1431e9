"""What rows ask: ms-swift's keys, OpenAI's messages, and what is set aside with which reason."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from vlmplug.compat.swift.request import RequestDefaults
from vlmplug.conversation import ImagePart, PromptOptions, TextPart, VideoPart
from vlmplug.errors import RequestError
from vlmplug.pipeline import Request
from vlmplug.rows.row_question import label_of, request_of_row
from vlmplug.sampling import Sampling

DEFAULTS = RequestDefaults("internvl2")


def asked(row: dict[str, Any], defaults: RequestDefaults = DEFAULTS) -> Request:
    return request_of_row(row, defaults, Sampling(seed=3))


def turns(row: dict[str, Any]) -> list[tuple[str, str, list[Any]]]:
    return [(turn.role, turn.text, [part.source for part in turn.media]) for turn in asked(row).conversation.messages]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


SAID = {"role": "assistant", "content": "yes"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"query": "a"}, [("user", "a", [])]),
        ({"query": "a", "system": "s"}, [("system", "s", []), ("user", "a", [])]),
        ({"query": "a", "images": "x.png"}, [("user", "a", ["x.png"])]),
        ({"query": "<image>a", "images": ["x.png"]}, [("user", "<image>a", ["x.png"])]),
        (
            {"query": "<image>b", "history": [["a", "yes"]], "images": ["x.png", "y.png"]},
            [("user", "a", ["x.png"]), ("assistant", "yes", []), ("user", "<image>b", ["y.png"])],
        ),
        ({"query": "<img>x.png</img>a"}, [("user", "<image>a", ["x.png"])]),
        ({"query": "<video>a", "videos": ["x.mp4"]}, [("user", "<video>a", ["x.mp4"])]),
        ({"messages": [user("a")]}, [("user", "a", [])]),
        ({"messages": [user("a"), SAID]}, [("user", "a", [])]),
        ({"messages": [user("<image>a")], "images": ["x.png"]}, [("user", "<image>a", ["x.png"])]),
        (
            {"messages": [user("a"), SAID, {**user("b"), "images": ["x.png"]}, SAID]},
            [("user", "a", []), ("assistant", "yes", []), ("user", "b", ["x.png"])],
        ),
    ],
)
def test_rows(row: dict[str, Any], expected: list[tuple[str, str, list[Any]]]) -> None:
    assert turns(row) == expected
    assert asked(row).options.placement == "beside"
    assert asked(row).sampling == Sampling(seed=3)


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}, ImagePart("https://x.org/a.png")),
        ({"type": "image_url", "image_url": "data:image/png;base64,AA=="}, ImagePart("data:image/png;base64,AA==")),
        ({"type": "image", "image": "a.png"}, ImagePart("a.png")),
        ({"type": "video_url", "video_url": {"url": "a.mp4"}}, VideoPart("a.mp4")),
        ({"type": "video", "video": "a.mp4"}, VideoPart("a.mp4")),
    ],
)
def test_parts_stand_where_they_are(part: dict[str, Any], source: ImagePart | VideoPart) -> None:
    parts = [{"type": "text", "text": "See <image>"}, part, {"type": "text", "text": "!"}]
    request = asked({"messages": [{"role": "user", "content": parts}], "system": "s"})
    assert request.options.placement == "inline"
    assert request.conversation.system == "s"
    first, media, last = request.conversation.turns[0].parts
    assert (first, last) == (TextPart("See <image>"), TextPart("!"))
    assert (type(media), media.source) == (type(source), source.source)  # type: ignore[union-attr]


def test_base64_without_a_name() -> None:
    data = bytes(range(256)) * 2
    row = {"messages": [{**user("a"), "images": [base64.b64encode(data).decode()]}]}
    assert turns(row) == [("user", "a", [data])]


@pytest.mark.parametrize(
    ("row", "default", "expected"),
    [
        ({"query": "a"}, "d", "d"),
        ({"query": "a", "system": "s"}, "d", "s"),
        ({"query": "a", "system": ""}, "d", ""),
        ({"query": "a"}, None, None),
        ({"messages": [{"role": "system", "content": "m"}, user("a")]}, "d", "m"),
        ({"messages": [{**user("a"), "images": ["x.png"]}]}, "d", "d"),
    ],
)
def test_system_prompts(row: dict[str, Any], default: str | None, expected: str | None) -> None:
    assert asked(row, RequestDefaults("internvl2", default)).conversation.system == expected


def test_options_hold_for_all_rows() -> None:
    options = PromptOptions("family", True, {"max_num": 1})
    assert asked({"query": "a"}, RequestDefaults("internvl2", None, options)).options == options


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ({"query": "a", "response": "r"}, "r"),
        ({"query": "a", "response": None}, None),
        ({"messages": [user("a"), SAID]}, "yes"),
        ({"messages": [user("a")]}, None),
        ({"messages": 7}, None),
    ],
)
def test_the_expected_answer(row: dict[str, Any], label: str | None) -> None:
    assert label_of(row) == label


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({}, "neither 'query' nor 'messages'"),
        ({"messages": []}, "neither 'query' nor 'messages'"),
        ({"query": 7}, "query is a int"),
        ({"query": "a", "history": [["b"]]}, r"history\[0\]"),
        ({"query": "a", "history": "b"}, "history"),
        ({"query": "<image>a"}, "nothing in images"),
        ({"query": "<image><image>a", "images": ["x.png"]}, "tags"),
        ({"query": "<img>x.png</img>", "images": ["y.png"]}, "Do not mix"),
        ({"query": "a", "tools": ["t"]}, "tools"),
        ({"query": "a", "audios": ["t"]}, "audios"),
        ({"query": "a", "image": "x.png"}, "Did you mean 'images'"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, r"messages\[0\].content\[0\] has the type"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, r"content\[0\].image is None"),
        ({"messages": [{**user("a"), "images": ["x.png"]}], "images": ["y.png"]}, "images stands beside"),
        ({"messages": [{"role": "user", "content": [], "images": ["x.png"]}]}, "stands beside parts"),
        ({"messages": [{"role": "critic", "content": [{"type": "text", "text": "a"}]}]}, "has the role 'critic'"),
        ({"messages": [SAID, {**user("a"), "images": ["x.png"]}]}, "out of order"),
        ({"messages": [{"content": [{"type": "text", "text": "a"}]}]}, "has no role"),
    ],
)
def test_rows_that_cannot_be_asked(row: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        asked(row)
