"""From a request as scripts write it to the official prompt."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compat.conftest import AFTER, BEFORE, CLIP, SHAPES
from vlmplug.compat.swift.request import RequestDefaults, read_request
from vlmplug.compat.swift.tokenizer import HfTokenizer
from vlmplug.conversation import Conversation, ImagePart, PromptOptions, TextPart, user_message
from vlmplug.errors import ConversationError, MediaError
from vlmplug.media import Picture
from vlmplug.pipeline import Prepared, Request

HEAD = "<|im_end|><|im_start|>user\n"
TAIL = "<|im_end|><|im_start|>assistant\n"
DEFAULTS = RequestDefaults("internvl2")


TEXT = {"type": "text", "text": "<image>, "}


def asked(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def prepared(tokenizer: HfTokenizer, request: dict[str, Any]) -> Prepared:
    found = read_request(request, DEFAULTS)
    return tokenizer.preparer.prepare(Request(found.conversation, found.options))


def shown(tokenizer: HfTokenizer, request: dict[str, Any]) -> str:
    """The prompt behind its system part."""
    return prepared(tokenizer, request).prompt.text().partition(HEAD)[2]


def test_it_is_the_official_prompt(tokenizer: HfTokenizer) -> None:
    """The very ids that the family's own hooks make, and nothing of swift's."""
    official = Request(Conversation((user_message("What?", (SHAPES,)),)), PromptOptions("beside"))
    ours = prepared(tokenizer, {"query": "What?", "images": [SHAPES]}).engine_input
    assert ours.input_ids == tokenizer.preparer.prepare(official).engine_input.input_ids


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"query": "Hello"}, "Hello"),
        ({"query": "<image>What?", "images": [SHAPES]}, "<image>What?"),
        ({"query": f"<img>{SHAPES}</img>What?"}, "<image>What?"),
        ({"query": "What?", "images": SHAPES}, "<image>\nWhat?"),
        ({"query": "A <image> B <image> C", "images": [BEFORE, AFTER]}, "A <image> B <image> C"),
        ({"query": "A <image> B", "images": [BEFORE, AFTER]}, "<image>\nA <image> B"),
        (
            {"query": "<image>Two.", "history": [["<image>One.", "1"]], "images": [BEFORE, AFTER]},
            f"<image>One.{TAIL}1{HEAD}<image>Two.",
        ),
        (
            {"query": "Two.", "history": [[f"<img>{BEFORE}</img>One.", "1"]]},
            f"<image>One.{TAIL}1{HEAD}Two.",
        ),
        (
            {"query": "Two.", "history": [["One.", "1"]], "images": [BEFORE]},
            f"<image>\nOne.{TAIL}1{HEAD}Two.",
        ),
        ({"query": "See <image>"}, "See <image>"),
        ({"messages": [{"role": "user", "content": "Hello"}]}, "Hello"),
        ({"messages": [asked("<image>What?")], "images": [SHAPES]}, "<image>What?"),
        ({"messages": [{**asked("What?"), "images": [SHAPES]}]}, "<image>\nWhat?"),
        ({"messages": [asked([{"type": "text", "text": "See <image>"}])]}, "See <image>"),
        ({"messages": [asked([{"type": "text", "text": "See <image>"}])], "images": [SHAPES]}, "See <image>"),
        (
            {"messages": [asked([TEXT, {"type": "image", "image": SHAPES}, TEXT])]},
            "<image>, <image><image>, ",
        ),
    ],
)
def test_places_in_the_prompt(tokenizer: HfTokenizer, request_: dict[str, Any], expected: str) -> None:
    assert shown(tokenizer, request_) == expected + TAIL


def test_clips(tokenizer: HfTokenizer) -> None:
    frames = "".join(f"Frame{number}: <image>\n" for number in range(1, 9))
    for request in ({"query": "<video>Describe.", "videos": [CLIP]}, {"query": f"<video>{CLIP}</video>Describe."}):
        assert shown(tokenizer, request) == f"{frames}Describe.{TAIL}"


def test_text_is_text_unless_the_caller_says_otherwise() -> None:
    parsing = RequestDefaults("internvl2", None, PromptOptions("beside", parse_special_tokens=True))
    literal, parsed = (read_request({"query": "<|im_end|>"}, each).options for each in (DEFAULTS, parsing))
    assert (literal.parse_special_tokens, parsed.parse_special_tokens) == (False, True)


def test_objects_become_the_family_s_tokens() -> None:
    box = {"caption": "star", "bbox": [0, 0, 500, 500], "bbox_type": "norm_1000", "image": 0}
    request = {"query": "<image>Is <ref-object> at <bbox>?", "images": [SHAPES], "objects": [box]}
    found = read_request(request, DEFAULTS)
    assert found.conversation.turns[0].text == "<image>Is <ref>star</ref> at <box>[[0, 0, 500, 500]]</box>?"
    assert found.options.parse_special_tokens
    assert found.dialogue.query == request["query"]


def test_objects_in_parts_of_messages() -> None:
    box = {"caption": "star", "bbox": [0, 0, 16, 8]}
    reference, box_tag = ({"type": "text", "text": text} for text in ("<ref-object>", "<bbox>?"))
    parts = [reference, {"type": "image", "image": SHAPES}, box_tag]
    found = read_request({"messages": [asked(parts)], "objects": [box]}, DEFAULTS)
    first, picture, last = found.conversation.turns[0].parts
    assert isinstance(picture, ImagePart)
    assert isinstance(picture.source, Picture)  # the box is in pixels, so that it was looked at
    width, height = picture.source.image.size
    right, bottom = 16 * 1000 // width, 8 * 1000 // height
    assert (first, last) == (TextPart("<ref>star</ref>"), TextPart(f"<box>[[0, 0, {right}, {bottom}]]</box>?"))
    assert found.options == PromptOptions("inline", parse_special_tokens=True)


@pytest.mark.parametrize(
    ("system", "default", "expected"),
    [(None, None, None), (None, "Count.", "Count."), ("Say.", "Count.", "Say."), ("", "Count.", ""), (None, "", "")],
)
def test_system_prompts(system: Any, default: Any, expected: Any) -> None:
    message = asked("Hello")
    for said in ({"query": "Hello"}, {"messages": [message]}, {"messages": [{**message, "images": ["a"]}]}):
        found = read_request({**said, "system": system}, RequestDefaults("internvl2", default))
        assert found.conversation.system == expected


def test_options_hold_for_the_whole_request() -> None:
    options = PromptOptions("family", False, {"max_num": 1})
    assert read_request({"query": "a"}, RequestDefaults("internvl2", None, options)).options == options


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"query": " "}, ConversationError, "The query is empty"),
        ({"query": "a", "images": [None]}, MediaError, "images holds None"),
        ({"query": "<audio>a.wav</audio>"}, MediaError, "audio"),
    ],
)
def test_requests_that_cannot_be_served(request_: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_request(request_, DEFAULTS)


def test_a_picture_that_cannot_be_read_is_named_by_its_place_in_the_request(tokenizer: HfTokenizer) -> None:
    with pytest.raises(MediaError, match=r"images\[1\]"):
        prepared(tokenizer, {"query": "a", "images": [SHAPES, "missing.png"]})


class Uncopied:
    """A source that nobody may copy."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int) -> bytes:
        return self._content

    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("copied")


def test_a_request_is_neither_changed_nor_copied() -> None:
    source = Uncopied(b"")
    request: dict[str, Any] = {"query": "<image>One.", "images": [source], "history": [["a", "b"]]}
    found = read_request(request, DEFAULTS)
    assert found.conversation.media[0].source is source
    assert request == {"query": "<image>One.", "images": [source], "history": [["a", "b"]]}
